"""An example run, built by evolving events: what the README's pictures and the screens' tests are drawn from.

Deterministic: every time is counted from `script.BEGIN`.
"""
