"""git: the repository that is released, its tags and its remotes.

| file | what |
| --- | --- |
| repo.py | `GitRepo`, which callers use |
| call.py | runs git and reads its complaints |
| names.py | what may be called a revision, a tag, a remote |
| tags.py, history.py, write.py | the tag list, commits and notes, what an answer to a write proves |
"""

from __future__ import annotations

from amplify_tui.adapters.git.history import notes
from amplify_tui.adapters.git.model import Commit, Distance, Facts, Remote, Tag
from amplify_tui.adapters.git.repo import GitRepo, repository_problems

__all__ = ["Commit", "Distance", "Facts", "GitRepo", "Remote", "Tag", "notes", "repository_problems"]
