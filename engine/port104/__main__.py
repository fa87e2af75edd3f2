"""`python -m port104` is the command `port104`."""

from port104.service.cli import main

if __name__ == "__main__":
    main()
