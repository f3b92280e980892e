"""Other papers' results, by author and year: each like the modules of `experiments`, with their numbers beside ours."""
