"""Flags in nobody's dialect: what every kind of provider shares. A kind is a package beside this one.

| file | what |
| --- | --- |
| port.py | what may be wished, what a state is, what a kind is |
| kinds.py | ours by their key of a source, others by `use:` |
| rules.py | the rules of every kind whose flags are lists of strategies, on the three below |
| state.py, plan.py, undo.py | measuring and comparing states, planning a change, taking one back |
| meaning.py | a strategy in words that screens can say |
| watch.py | polling where a provider names a revision |
| audience.py, population.py, evaluation.py | who joins and who leaves, of which users, by the SDKs' own engine |
| asked.py, exposure.py | what a flag asks for, and what applications really evaluate |
"""
