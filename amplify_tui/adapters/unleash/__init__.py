"""Unleash as a provider of flags: its Admin API, its Client API, its audit trail.

| file | what |
| --- | --- |
| kind.py | what the rest of Amplify asks for |
| provider.py | reads, guarded writes, the kill; ops.py orders the calls of a write, kill.py proves many at once |
| trail.py, events.py | who changed what |
| check.py, rights.py | the live check, and what a token may do |
| watch.py | the flags of a run, once a second |
| usage.py, reports.py | what applications tell the server of their evaluations |
"""
