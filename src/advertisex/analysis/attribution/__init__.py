"""Attribution: who gets the credit for a conversion."""
