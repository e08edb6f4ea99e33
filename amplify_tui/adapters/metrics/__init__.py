"""Where numbers come from, in nobody's dialect: what every kind of metric source shares.

| file | what |
| --- | --- |
| port.py | what a kind is, and what its sources are opened with |
| kinds.py | ours by their key of a source, others by `use:` |
| ours.py | prometheus, scrape, probes, http: from a source of the playbook to an open one |

The sources themselves: prometheus.py, scrape.py, probes.py, endpoint.py beside this package; samples.py is theirs all.
"""
