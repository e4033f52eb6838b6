"""A hundred ordinary clinical questions to two hospitals, and how many of them a broker answers: refusing too much is a defect too."""
