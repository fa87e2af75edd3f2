"""The ledger's functions, each in a transaction of its own."""


def work(database, function, *arguments):
    with database.changing() as session:
        return function(session, *arguments)
