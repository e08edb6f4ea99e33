"""The `amplify` command's entry point."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from amplify_tui.cli import main as cli_main

    cli_main()


if __name__ == "__main__":
    main()
