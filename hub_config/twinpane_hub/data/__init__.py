"""Demo data: generated patients in the shape of the OMOP Common Data Model, and the ACTG 175 trial split over sites."""
