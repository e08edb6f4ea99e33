"""What the views say: sentences and rows, computed from a state and the board. No drawing, no colours, no widths.

| file          | says                                                          |
| ------------- | ------------------------------------------------------------- |
| words.py      | signs and their ASCII twins, times, ages, safe text           |
| headline.py   | what happens next, and what it waits for                      |
| stages.py     | the list of stages and steps, and the one that matters now    |
| gate.py       | phases, bake, conditions, what could be done about them       |
| undo_lines.py | the undo plan by bands, and what a mitigation would touch     |
| outage.py     | one outage of several conditions, said once           |
| possible.py   | what would be refused, before a dialog asks           |
| world.py      | health, git, signals and people, each with its age            |
| flags.py      | every flag of the release: state, share, drift, who changed it |
| log_lines.py  | one line for each event                                       |
"""
