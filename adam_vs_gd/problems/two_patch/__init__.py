"""The paper's two-patch problem."""
