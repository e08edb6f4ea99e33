"""Flags as a file in a git repository, in flagd's format.

| file | what |
| --- | --- |
| kind.py | what the rest of Amplify asks for, and who gets a flag by flagd's own engine |
| provider.py | reads, one commit and one push for a change, the kill |
| document.py | the file's text and the flags in it |
| targeting.py | flagd's rules to our strategies and back |
"""
