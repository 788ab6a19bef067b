"""What stands behind the verbs of the command line: parsing, help, guards, and the runners by group."""
