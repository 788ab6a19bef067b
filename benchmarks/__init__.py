"""Speed, one script per claim: equality first, then both in the same run, beside the hardware's floor."""
