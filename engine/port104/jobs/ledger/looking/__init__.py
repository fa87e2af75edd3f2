"""What the ledger tells people and programs: instances, groups, jobs, and the way of one instance.

Rules that the rooms here keep:
- nothing is changed, and nothing is read but what is answered: a question is never answered by going through
  every instance there is;
- lists are read in pages, each of which begins where the one before ended (pages.py), so that the last page
  costs what the first does;
- what is answered has the form that the REST API and the command line show: one form for all.
"""
