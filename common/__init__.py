"""What every room agrees on: training configuration, prompts, the music-config contract, the ledger."""
