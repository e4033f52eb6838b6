-- What an epidemiologist asks in a study: ages at events, times between events, first values, how many kinds; analysts.toml has the names.

-- [age] Mean age at each of some conditions
SELECT c.condition_concept_id, AVG(YEAR(c.condition_start_date) - p.year_of_birth) AS mean_age, COUNT(DISTINCT c.person_id) AS persons
FROM condition_occurrence c JOIN person p ON p.person_id = c.person_id
WHERE c.condition_concept_id IN ({conditions})
GROUP BY c.condition_concept_id;

-- [age] Age groups at a condition, by gender
SELECT p.gender_concept_id,
       CASE WHEN EXTRACT(YEAR FROM c.condition_start_date) - p.year_of_birth < 18 THEN 'child'
            WHEN EXTRACT(YEAR FROM c.condition_start_date) - p.year_of_birth < 65 THEN 'adult' ELSE 'old' END AS age_at_condition,
       COUNT(DISTINCT c.person_id) AS persons
FROM condition_occurrence c JOIN person p ON p.person_id = c.person_id
WHERE c.condition_concept_id = {common}
GROUP BY 1, 2;

-- [age] Median age at a first condition
WITH f AS (SELECT person_id, MIN(condition_start_date) AS day FROM condition_occurrence WHERE condition_concept_id = {chronic} GROUP BY 1 ORDER BY 1)
SELECT MEDIAN(YEAR(f.day) - p.year_of_birth) AS median_age, COUNT(*) AS persons FROM f JOIN person p ON p.person_id = f.person_id;

-- [age] Adults with a drug
SELECT p.gender_concept_id, COUNT(DISTINCT d.person_id) AS persons
FROM drug_exposure d JOIN person p ON p.person_id = d.person_id
WHERE d.drug_concept_id = {drug} AND YEAR(d.drug_exposure_start_date) - p.year_of_birth >= 18
GROUP BY p.gender_concept_id;

-- [times] Persons with a drug on or after a condition
SELECT COUNT(DISTINCT c.person_id) AS persons
FROM condition_occurrence c JOIN drug_exposure d ON d.person_id = c.person_id
WHERE c.condition_concept_id = {common} AND d.drug_exposure_start_date >= c.condition_start_date;

-- [times] Persons with a drug within 90 days of a condition
SELECT COUNT(DISTINCT c.person_id) AS persons
FROM condition_occurrence c JOIN drug_exposure d ON d.person_id = c.person_id
WHERE c.condition_concept_id = {common} AND DATEDIFF('day', c.condition_start_date, d.drug_exposure_start_date) BETWEEN 0 AND 90;

-- [times] Persons with a drug from a condition's day to a month after it, by gender
SELECT p.gender_concept_id, COUNT(DISTINCT c.person_id) AS persons
FROM condition_occurrence c JOIN drug_exposure d ON d.person_id = c.person_id JOIN person p ON p.person_id = c.person_id
WHERE c.condition_concept_id = {common}
  AND d.drug_exposure_start_date BETWEEN c.condition_start_date AND c.condition_start_date + INTERVAL 30 DAY
GROUP BY p.gender_concept_id;

-- [times, gibleed] Length of conditions in groups
SELECT CASE WHEN DATEDIFF('day', condition_start_date, condition_end_date) < 7 THEN 'days'
            WHEN DATEDIFF('day', condition_start_date, condition_end_date) <= 30 THEN 'weeks' ELSE 'longer' END AS length,
       COUNT(*) AS conditions
FROM condition_occurrence
WHERE condition_end_date IS NOT NULL
GROUP BY 1;

-- [times, generated] Length of stay in groups, by kind of visit
SELECT visit_concept_id,
       CASE WHEN visit_end_date - visit_start_date < 1 THEN 'same day' WHEN visit_end_date - visit_start_date < 7 THEN 'days' ELSE 'longer' END
           AS length_of_stay,
       COUNT(*) AS visits
FROM visit_occurrence
GROUP BY 1, 2;

-- [times, generated] Deaths within a year of a first condition
WITH f AS (SELECT person_id, MIN(condition_start_date) AS day FROM condition_occurrence WHERE condition_concept_id = {event} GROUP BY person_id)
SELECT p.gender_concept_id, COUNT(*) AS deaths
FROM f JOIN death d ON d.person_id = f.person_id JOIN person p ON p.person_id = f.person_id
WHERE DATEDIFF('day', f.day, d.death_date) <= 365
GROUP BY p.gender_concept_id;

-- [times] Other drugs of persons with a first condition, by way of the person
WITH f AS (SELECT person_id, MIN(condition_start_date) AS day FROM condition_occurrence WHERE condition_concept_id = {common} GROUP BY person_id)
SELECT p.gender_concept_id, COUNT(DISTINCT d.person_id) AS persons
FROM f JOIN person p ON p.person_id = f.person_id JOIN drug_exposure d ON d.person_id = f.person_id
WHERE d.drug_concept_id = {other_drug}
GROUP BY p.gender_concept_id;

-- [first values, generated] The first value of a measurement, by gender
SELECT p.gender_concept_id, AVG(f.v) AS mean_value, COUNT(*) AS persons
FROM person p JOIN (SELECT person_id, value_as_number AS v FROM measurement WHERE measurement_concept_id = {measured}
     QUALIFY ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY measurement_date, value_as_number) = 1) f ON f.person_id = p.person_id
GROUP BY p.gender_concept_id;

-- [kinds] Persons by their number of different drugs
SELECT CASE WHEN n_drugs >= 5 THEN 'five or more' WHEN n_drugs >= 2 THEN 'two to four' ELSE 'one' END AS drugs, COUNT(*) AS persons
FROM (SELECT person_id, COUNT(DISTINCT drug_concept_id) AS n_drugs FROM drug_exposure GROUP BY person_id) t
GROUP BY 1;

-- [kinds] Mean number of different drugs, by gender
SELECT p.gender_concept_id, AVG(t.n_drugs) AS mean_drugs
FROM person p JOIN (SELECT person_id, COUNT(DISTINCT drug_concept_id) AS n_drugs FROM drug_exposure GROUP BY person_id) t
ON t.person_id = p.person_id
GROUP BY p.gender_concept_id;

-- [some rows] Persons born early, by race
SELECT race_concept_id, COUNT(*) FILTER (WHERE year_of_birth < {late}) AS persons FROM person GROUP BY race_concept_id;

-- [some rows] Persons and rows with a drug
SELECT COUNT(DISTINCT CASE WHEN drug_concept_id = {third_drug} THEN person_id END) AS persons,
       SUM(CASE WHEN drug_concept_id = {third_drug} THEN 1 ELSE 0 END) AS exposures
FROM drug_exposure;
