"""Dialogs: opened by a key only, closed by esc, and never confirmed by a held key."""
