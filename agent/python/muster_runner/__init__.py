"""Runs the hooks of packages in a process of its own, below the agent."""
