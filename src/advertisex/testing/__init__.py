"""What tests need and the product does not: the real servers, started on this machine and gone afterwards."""
