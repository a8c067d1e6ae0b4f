"""Views of a store: what every question reads is changed in one place, so that every question has it."""
