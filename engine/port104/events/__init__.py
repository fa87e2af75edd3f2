"""What port104 tells, and is asked, by a message broker; in the form of MONAI Deploy's messages."""
