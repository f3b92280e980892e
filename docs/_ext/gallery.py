def markdown() -> str:
    return "x"
