"""The admin of the ground floor: home, providers, models, prompts, traces, usage, people."""
