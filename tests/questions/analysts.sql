-- A hundred questions to each hospital as analysts of OMOP data write them, by the topics that such analysts ask about.
-- A question begins with its topic and its words. {names} stand for the hospital's codes and years (analysts.toml).
-- A topic with the name of a hospital after it is asked of that hospital alone.

-- [person] How many persons are there?
SELECT COUNT(person_id) AS num_persons FROM cdm.person;

-- [person] How many women and men?
SELECT c.concept_name AS gender, COUNT(p.person_id) AS num_persons
FROM cdm.person p
INNER JOIN cdm.concept c ON p.gender_concept_id = c.concept_id
GROUP BY c.concept_name;

-- [person] How many persons of each race?
SELECT P.RACE_CONCEPT_ID, COUNT(1) AS NUM_PERSONS
FROM CDM.PERSON P
GROUP BY P.RACE_CONCEPT_ID
ORDER BY NUM_PERSONS DESC;

-- [person] How many persons of each ethnicity, by gender?
SELECT p.ethnicity_concept_id, gender.concept_name AS gender_name, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p, cdm.concept gender
WHERE p.gender_concept_id = gender.concept_id
GROUP BY p.ethnicity_concept_id, gender.concept_name;

-- [person] How many persons were born in each decade?
SELECT born.decade_of_birth, COUNT(born.person_id) AS num_persons
FROM (SELECT person_id, FLOOR(year_of_birth / 10) * 10 AS decade_of_birth FROM cdm.person) born
GROUP BY born.decade_of_birth
ORDER BY born.decade_of_birth;

-- [person] Year of birth: mean, spread and median, by gender
SELECT gender_concept_id,
       AVG(year_of_birth) AS mean_year,
       ROUND(STDDEV(year_of_birth), 1) AS sd_year,
       MEDIAN(year_of_birth) AS median_year
FROM cdm.person
GROUP BY gender_concept_id;

-- [person] Quartiles of the year of birth
SELECT PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY year_of_birth) AS q1,
       PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY year_of_birth) AS q2,
       PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY year_of_birth) AS q3
FROM cdm.person;

-- [person] Generations
SELECT CASE WHEN year_of_birth < {early} THEN 'older'
            WHEN year_of_birth >= {early} AND year_of_birth < {late} THEN 'middle'
            ELSE 'younger' END AS generation,
       COUNT(*) AS num_persons
FROM cdm.person
GROUP BY CASE WHEN year_of_birth < {early} THEN 'older'
            WHEN year_of_birth >= {early} AND year_of_birth < {late} THEN 'middle'
            ELSE 'younger' END;

-- [person] How many women were born in a span of years?
SELECT 'women' AS cohort, COUNT(*) AS num_persons
FROM cdm.person
WHERE gender_concept_id = 8532 AND year_of_birth BETWEEN {early} AND {last};

-- [person] How many persons have at least one of two diseases?
SELECT COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p
WHERE EXISTS (SELECT 1 FROM cdm.condition_occurrence co WHERE co.person_id = p.person_id AND co.condition_concept_id IN ({chronic}, {event}));

-- [person] How many persons, by gender, have never had any of two diseases?
SELECT p.gender_concept_id, COUNT(*) AS num_persons
FROM cdm.person p
WHERE p.person_id NOT IN (SELECT co.person_id FROM cdm.condition_occurrence co WHERE co.condition_concept_id IN ({chronic}, {event}))
GROUP BY p.gender_concept_id;

-- [person] Persons with neither of two drugs
SELECT COUNT(p.person_id) AS num_persons
FROM cdm.person p
LEFT JOIN (SELECT DISTINCT person_id FROM cdm.drug_exposure WHERE drug_concept_id IN ({other_drug}, {third_drug})) e ON e.person_id = p.person_id
WHERE e.person_id IS NULL;

-- [observation period] How many persons are observed?
SELECT COUNT(*) AS num_persons FROM (SELECT DISTINCT person_id FROM cdm.observation_period) observed;

-- [observation period] How long are persons observed, in days?
SELECT AVG(DATEDIFF('day', observation_period_start_date, observation_period_end_date)) AS mean_days,
       STDDEV(DATEDIFF('day', observation_period_start_date, observation_period_end_date)) AS sd_days
FROM cdm.observation_period;

-- [observation period] How many persons were observed throughout a year?
SELECT COUNT(DISTINCT person_id) AS num_persons
FROM cdm.observation_period
WHERE observation_period_start_date <= '{before}-12-31' AND observation_period_end_date >= '{year}-12-01';

-- [observation period] Persons observed at the start of a year, by decade of birth
WITH observed AS (
  SELECT DISTINCT person_id FROM cdm.observation_period
  WHERE observation_period_start_date <= '{before}-12-31' AND observation_period_end_date >= '{year}-01-01'
)
SELECT FLOOR(p.year_of_birth / 10) * 10 AS decade_of_birth, COUNT(*) AS num_persons
FROM cdm.person p
JOIN observed o ON o.person_id = p.person_id
GROUP BY 1;

-- [observation period] Time of observation by generation
SELECT CASE WHEN p.year_of_birth < {early} THEN 'older' WHEN p.year_of_birth < {late} THEN 'middle' ELSE 'younger' END AS generation,
       COUNT(*) AS num_periods,
       ROUND(AVG(DATEDIFF('day', op.observation_period_start_date, op.observation_period_end_date)), 0) AS mean_days
FROM cdm.observation_period op
JOIN cdm.person p ON p.person_id = op.person_id
GROUP BY 1;

-- [observation period] Quartiles of the time of observation
SELECT PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY DATEDIFF('day', observation_period_start_date, observation_period_end_date)) AS q1,
       PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY DATEDIFF('day', observation_period_start_date, observation_period_end_date)) AS q3
FROM cdm.observation_period;

-- [condition] The commonest conditions, in persons
SELECT co.condition_concept_id, c.concept_name, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.concept c ON c.concept_id = co.condition_concept_id
GROUP BY co.condition_concept_id, c.concept_name
ORDER BY num_persons DESC
LIMIT 10;

-- [condition] The commonest conditions in women
SELECT c.concept_name AS condition_name, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
JOIN cdm.concept c ON c.concept_id = co.condition_concept_id
WHERE p.gender_concept_id = 8532
GROUP BY c.concept_name
HAVING COUNT(DISTINCT co.person_id) >= 100
ORDER BY num_persons DESC;

-- [condition] How often was a disease diagnosed, by gender?
SELECT c.concept_name AS gender, COUNT(co.condition_occurrence_id) AS num_diagnoses, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
INNER JOIN cdm.person p ON co.person_id = p.person_id
LEFT JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
WHERE co.condition_concept_id = {chronic}
GROUP BY c.concept_name;

-- [condition] Diagnoses of a disease per year
SELECT diagnosis_year, COUNT(DISTINCT person_id) AS num_persons
FROM (
  SELECT person_id, EXTRACT(YEAR FROM condition_start_date) AS diagnosis_year
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {chronic} AND condition_start_date >= '{since}-01-01' AND condition_start_date < '{until}-01-01'
) diagnoses
GROUP BY diagnosis_year
ORDER BY diagnosis_year;

-- [condition] First diagnoses of a disease per year
SELECT YEAR(first_date) AS year_of_diagnosis, COUNT(*) AS num_persons
FROM (
  SELECT person_id, MIN(condition_start_date) AS first_date
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {common}
  GROUP BY person_id
) f
GROUP BY YEAR(first_date);

-- [condition] How many persons were first diagnosed with a disease in a span of years?
WITH first_diagnosis AS (
  SELECT person_id, MIN(condition_start_date) AS first_date
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {common}
  GROUP BY person_id
)
SELECT COUNT(DISTINCT person_id) AS num_persons
FROM first_diagnosis
WHERE first_date >= '{since}-01-01' AND first_date < '{year}-01-01';

-- [condition] Gender of those first diagnosed since a year
SELECT p.gender_concept_id, COUNT(p.person_id) AS num_persons
FROM cdm.person p
JOIN (
  SELECT person_id, condition_start_date,
         ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY condition_start_date) AS rn
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {common}
) f ON f.person_id = p.person_id
WHERE f.rn = 1 AND f.condition_start_date >= '{year}-01-01'
GROUP BY p.gender_concept_id;

-- [condition] Race of the persons with a disease
WITH ranked AS (
  SELECT person_id, condition_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY condition_start_date) AS rn
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {chronic}
)
SELECT p.race_concept_id, COUNT(*) AS num_persons
FROM ranked r
JOIN cdm.person p ON p.person_id = r.person_id
WHERE r.rn = 1
GROUP BY p.race_concept_id;

-- [condition] Mean year of birth of persons with each of some conditions
SELECT c.concept_name, ROUND(AVG(p.year_of_birth), 0) AS mean_year_of_birth
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
JOIN cdm.concept c ON c.concept_id = co.condition_concept_id
WHERE co.condition_concept_id IN ({conditions})
GROUP BY c.concept_name;

-- [condition] Groups of conditions
SELECT disease_group, COUNT(DISTINCT person_id) AS num_persons
FROM (
  SELECT person_id,
         CASE WHEN condition_concept_id IN ({group_a}) THEN '{name_a}'
              WHEN condition_concept_id IN ({group_b}) THEN '{name_b}'
              ELSE 'other' END AS disease_group
  FROM cdm.condition_occurrence
) grouped
GROUP BY disease_group;

-- [condition] Groups of conditions by gender
SELECT CASE WHEN co.condition_concept_id IN ({group_a}) THEN '{name_a}'
            WHEN co.condition_concept_id IN ({group_b}) THEN '{name_b}' END AS disease_group,
       p.gender_concept_id, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON co.person_id = p.person_id
WHERE co.condition_concept_id IN ({group_a}, {group_b})
GROUP BY 1, 2;

-- [condition] What else persons with a disease have
WITH diseased AS (
  SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {chronic}
)
SELECT co.condition_concept_id, c.concept_name, COUNT(DISTINCT co.person_id) AS num_persons
FROM diseased d
JOIN cdm.condition_occurrence co ON co.person_id = d.person_id
JOIN cdm.concept c ON c.concept_id = co.condition_concept_id
WHERE co.condition_concept_id IN ({conditions})
GROUP BY co.condition_concept_id, c.concept_name;

-- [condition] Persons with a disease who never had another, by gender
SELECT p.gender_concept_id, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p
JOIN cdm.condition_occurrence co ON co.person_id = p.person_id
LEFT JOIN (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {event}) x ON x.person_id = p.person_id
WHERE co.condition_concept_id = {chronic} AND x.person_id IS NULL
GROUP BY p.gender_concept_id;

-- [condition] Persons with at least two diagnoses of a disease
SELECT COUNT(*) AS num_persons
FROM (
  SELECT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {common} GROUP BY person_id HAVING COUNT(*) >= 2
) twice;

-- [condition] Persons with a disease, by gender and generation
WITH diseased AS (
  SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {common}
)
SELECT g.concept_name AS gender,
       CASE WHEN p.year_of_birth < {early} THEN 'older' ELSE 'younger' END AS generation,
       COUNT(p.person_id) AS num_persons
FROM cdm.person p
JOIN diseased d ON d.person_id = p.person_id
JOIN cdm.concept g ON g.concept_id = p.gender_concept_id
GROUP BY g.concept_name, CASE WHEN p.year_of_birth < {early} THEN 'older' ELSE 'younger' END;

-- [condition] Women and men among the persons with a disease, in percent
SELECT p.gender_concept_id,
       100.0 * COUNT(DISTINCT co.person_id) / SUM(COUNT(DISTINCT co.person_id)) OVER () AS percent
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
WHERE co.condition_concept_id = {chronic}
GROUP BY p.gender_concept_id;

-- [condition] Time from the first diagnosis of one disease to the end of observation
WITH first_diagnosis AS (
  SELECT person_id, MIN(condition_start_date) AS first_date
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {chronic}
  GROUP BY person_id
)
SELECT ROUND(AVG(DATEDIFF('day', f.first_date, op.observation_period_end_date)), 0) AS mean_days
FROM first_diagnosis f
JOIN cdm.observation_period op ON op.person_id = f.person_id;

-- [condition] Persons of a race with a disease, with concept names
SELECT c.concept_name AS condition_name, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p, cdm.condition_occurrence co, cdm.concept c
WHERE p.person_id = co.person_id AND co.condition_concept_id = c.concept_id
  AND p.race_concept_id = 8516 AND co.condition_concept_id IN ({conditions})
GROUP BY c.concept_name;

-- [condition] Generations of the persons first diagnosed with a disease since a year
WITH ranked AS (
  SELECT person_id, condition_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY condition_start_date) AS rn
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {common}
)
SELECT CASE WHEN p.year_of_birth < {early} THEN 'older' ELSE 'younger' END AS generation, COUNT(*) AS num_persons
FROM ranked r
JOIN cdm.person p ON p.person_id = r.person_id
WHERE r.rn = 1 AND r.condition_start_date >= '{since}-01-01'
GROUP BY 1;

-- [condition] Persons with a disease and one of two others, none counted twice
SELECT COUNT(*) AS num_persons
FROM (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {chronic}) a
JOIN (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id IN ({event}, {common})) b ON a.person_id = b.person_id;

-- [condition] Time from the start of observation to the first diagnosis
WITH first_diagnosis AS (
  SELECT person_id, MIN(condition_start_date) AS first_date
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = {chronic}
  GROUP BY person_id
)
SELECT COUNT(*) AS num_persons, ROUND(AVG(f.first_date - op.observation_period_start_date), 0) AS mean_days
FROM cdm.observation_period op
JOIN first_diagnosis f ON f.person_id = op.person_id;

-- [drug exposure] The commonest drugs, in persons
SELECT c.concept_name AS drug, used.num_persons
FROM (
  SELECT drug_concept_id, COUNT(DISTINCT person_id) AS num_persons
  FROM cdm.drug_exposure
  GROUP BY drug_concept_id
) used
JOIN cdm.concept c ON c.concept_id = used.drug_concept_id
ORDER BY used.num_persons DESC
LIMIT 10;

-- [drug exposure] How many prescriptions of each of some drugs?
SELECT de.drug_concept_id, c.concept_name, COUNT(1) AS num_prescriptions, COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_exposure de
LEFT JOIN cdm.concept c ON c.concept_id = de.drug_concept_id
WHERE de.drug_concept_id IN ({drugs}) AND YEAR(de.drug_exposure_start_date) >= {since}
GROUP BY de.drug_concept_id, c.concept_name;

-- [drug exposure] A drug by gender
WITH exposed AS (
  SELECT person_id, drug_exposure_start_date FROM cdm.drug_exposure WHERE drug_concept_id = {drug}
)
SELECT c.concept_name AS gender, COUNT(DISTINCT e.person_id) AS num_persons
FROM exposed e
JOIN cdm.person p ON p.person_id = e.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
GROUP BY c.concept_name;

-- [drug exposure] How many persons took a drug between two days?
SELECT COUNT(DISTINCT person_id) AS num_persons
FROM cdm.drug_exposure
WHERE drug_concept_id = {other_drug}
  AND drug_exposure_start_date >= '{since}-01-01' AND drug_exposure_start_date <= '{year}-01-01';

-- [drug exposure] Duration of an exposure, by drug
SELECT drug_concept_id,
       AVG(drug_exposure_end_date - drug_exposure_start_date) AS mean_days,
       COUNT(*) AS num_exposures
FROM cdm.drug_exposure
WHERE drug_concept_id IN ({drugs})
GROUP BY drug_concept_id;

-- [drug exposure] New users of a drug per year
WITH new_users AS (
  SELECT person_id, drug_exposure_start_date,
         ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY drug_exposure_start_date) AS ordinal
  FROM cdm.drug_exposure
  WHERE drug_concept_id = {other_drug}
)
SELECT COUNT(*) AS num_new_users
FROM new_users
WHERE ordinal = 1 AND drug_exposure_start_date >= '{since}-01-01' AND drug_exposure_start_date < '{until}-01-01';

-- [drug exposure] Decade of birth of the new users of a drug in a year
SELECT FLOOR(p.year_of_birth / 10) * 10 AS decade_of_birth, COUNT(p.person_id) AS num_persons
FROM (
  SELECT person_id, MIN(drug_exposure_start_date) AS index_date
  FROM cdm.drug_exposure
  WHERE drug_concept_id = {other_drug}
  GROUP BY person_id
) i
JOIN cdm.person p ON p.person_id = i.person_id
WHERE i.index_date >= '{since}-01-01' AND i.index_date < '{until}-01-01'
GROUP BY FLOOR(p.year_of_birth / 10) * 10;

-- [drug exposure] Users of both of two drugs, by gender
SELECT p.gender_concept_id, COUNT(*) AS num_persons
FROM cdm.person p
WHERE EXISTS (SELECT 1 FROM cdm.drug_exposure a WHERE a.person_id = p.person_id AND a.drug_concept_id = {other_drug})
  AND EXISTS (SELECT 1 FROM cdm.drug_exposure b WHERE b.person_id = p.person_id AND b.drug_concept_id = {third_drug})
GROUP BY p.gender_concept_id;

-- [drug exposure] Which drugs persons with a disease take
SELECT c.concept_name AS drug, COUNT(DISTINCT de.person_id) AS num_persons
FROM (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {chronic}) d
JOIN cdm.drug_exposure de ON de.person_id = d.person_id
JOIN cdm.concept c ON c.concept_id = de.drug_concept_id
WHERE de.drug_concept_id IN ({drugs}) AND EXTRACT(YEAR FROM de.drug_exposure_start_date) >= {since}
GROUP BY c.concept_name;

-- [drug exposure] Persons with a disease who do not take a drug
SELECT COUNT(DISTINCT co.person_id) AS num_untreated
FROM cdm.condition_occurrence co
WHERE co.condition_concept_id = {chronic}
  AND co.person_id NOT IN (SELECT de.person_id FROM cdm.drug_exposure de WHERE de.drug_concept_id = {drug});

-- [drug exposure] Classes of drugs
SELECT CASE WHEN drug_concept_id IN ({drug}, {rival}) THEN 'compared' WHEN drug_concept_id = {other_drug} THEN 'background' ELSE 'other' END AS class,
       COUNT(*) AS num_exposures
FROM cdm.drug_exposure
GROUP BY 1
ORDER BY 2 DESC;

-- [drug exposure] A drug by race
SELECT p.race_concept_id, COUNT(DISTINCT p.person_id) AS num_persons
FROM CDM.PERSON p
JOIN (
  SELECT person_id, drug_exposure_start_date,
         ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY drug_exposure_start_date) AS rn
  FROM CDM.DRUG_EXPOSURE
  WHERE drug_concept_id = {other_drug}
) f ON f.person_id = p.person_id
WHERE f.rn = 1
GROUP BY p.race_concept_id;

-- [drug exposure] Exposures that began in a year, by drug
SELECT c.concept_name AS drug, COUNT(*) AS num_exposures
FROM cdm.drug_exposure de, cdm.concept c
WHERE de.drug_concept_id = c.concept_id
  AND EXTRACT(YEAR FROM de.drug_exposure_start_date) = {year} AND de.drug_concept_id IN ({drugs})
GROUP BY c.concept_name;

-- [drug exposure] Time from the first diagnosis of a disease to the first use of a drug
WITH diagnosis AS (
  SELECT person_id, MIN(condition_start_date) AS diagnosed FROM cdm.condition_occurrence
  WHERE condition_concept_id = {chronic} GROUP BY person_id
), treatment AS (
  SELECT person_id, MIN(drug_exposure_start_date) AS treated FROM cdm.drug_exposure
  WHERE drug_concept_id = {other_drug} GROUP BY person_id
)
SELECT COUNT(*) AS num_persons, AVG(DATEDIFF('day', d.diagnosed, t.treated)) AS mean_days
FROM diagnosis d
JOIN treatment t ON t.person_id = d.person_id;

-- [drug exposure] Users of a drug who were diagnosed with a disease, by gender
WITH users AS (SELECT DISTINCT person_id FROM cdm.drug_exposure WHERE drug_concept_id = {other_drug}),
     cases AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {event})
SELECT p.gender_concept_id, COUNT(DISTINCT p.person_id) AS num_cases
FROM cdm.person p
JOIN users u ON u.person_id = p.person_id
JOIN cases c ON c.person_id = p.person_id
GROUP BY p.gender_concept_id;

-- [drug exposure] Duration of an exposure: mean, spread and median
SELECT COALESCE(ROUND(AVG(DATEDIFF('day', drug_exposure_start_date, drug_exposure_end_date)), 1), 0) AS mean_days,
       ROUND(STDDEV(DATEDIFF('day', drug_exposure_start_date, drug_exposure_end_date)), 1) AS sd_days,
       MEDIAN(DATEDIFF('day', drug_exposure_start_date, drug_exposure_end_date)) AS median_days
FROM cdm.drug_exposure
WHERE drug_concept_id = {other_drug};

-- [drug exposure] Duration of an exposure by gender
SELECT c.concept_name AS gender, AVG(DATEDIFF('day', de.drug_exposure_start_date, de.drug_exposure_end_date)) AS mean_days
FROM cdm.drug_exposure de
JOIN cdm.person p ON p.person_id = de.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
WHERE de.drug_concept_id = {other_drug}
GROUP BY c.concept_name;

-- [drug exposure] First users of a drug since a year who had a disease, by gender
WITH first_use AS (
  SELECT person_id, drug_exposure_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY drug_exposure_start_date) AS rn
  FROM cdm.drug_exposure
  WHERE drug_concept_id = {other_drug}
), diseased AS (
  SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {chronic}
)
SELECT p.gender_concept_id, COUNT(*) AS num_persons
FROM first_use u
JOIN diseased d ON d.person_id = u.person_id
JOIN cdm.person p ON p.person_id = u.person_id
WHERE u.rn = 1 AND u.drug_exposure_start_date >= '{since}-01-01'
GROUP BY p.gender_concept_id;

-- [drug exposure] Users and others, by generation, in one table
SELECT CASE WHEN p.year_of_birth < {early} THEN 'older' ELSE 'younger' END AS generation, CAST(COUNT(*) AS BIGINT) AS num_users
FROM cdm.person p
WHERE p.person_id IN (SELECT person_id FROM cdm.drug_exposure WHERE drug_concept_id = {drug})
GROUP BY 1;

-- [measurement] The commonest measurements
SELECT m.measurement_concept_id, c.concept_name, COUNT(*) AS num_measurements, COUNT(DISTINCT m.person_id) AS num_persons
FROM cdm.measurement m
INNER JOIN cdm.concept c ON m.measurement_concept_id = c.concept_id
GROUP BY m.measurement_concept_id, c.concept_name
ORDER BY num_measurements DESC
LIMIT 20;

-- [measurement] A measurement by year
WITH measured AS (
  SELECT person_id, measurement_date FROM cdm.measurement WHERE measurement_concept_id = {measured}
)
SELECT EXTRACT(YEAR FROM measurement_date) AS measurement_year, COUNT(*) AS num_measurements
FROM measured
WHERE measurement_date >= '{since}-01-01' AND measurement_date < '{until}-01-01'
GROUP BY 1
ORDER BY 1;

-- [measurement] Persons who were never measured
SELECT p.gender_concept_id, COUNT(*) AS num_persons
FROM cdm.person p
LEFT JOIN cdm.measurement m ON m.person_id = p.person_id AND m.measurement_concept_id = {rarely_measured}
WHERE m.person_id IS NULL
GROUP BY p.gender_concept_id;

-- [measurement] Measurements of persons with a disease
SELECT m.measurement_concept_id, COUNT(m.measurement_id) AS num_measurements
FROM cdm.measurement m
WHERE m.person_id IN (SELECT DISTINCT co.person_id FROM cdm.condition_occurrence co WHERE co.condition_concept_id = {event})
  AND m.measurement_concept_id IN ({measurements})
GROUP BY m.measurement_concept_id;

-- [measurement] Generations of those measured
SELECT CASE WHEN p.year_of_birth < {early} THEN 'older' WHEN p.year_of_birth < {late} THEN 'middle' ELSE 'younger' END AS generation,
       COUNT(DISTINCT m.person_id) AS num_persons
FROM cdm.measurement m
JOIN cdm.person p ON p.person_id = m.person_id
WHERE m.measurement_concept_id = {measured}
GROUP BY 1;

-- [measurement] Persons with a disease who were never measured
WITH diseased AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = {chronic})
SELECT COUNT(*) AS num_persons
FROM diseased d
JOIN cdm.person p ON p.person_id = d.person_id
LEFT JOIN (SELECT DISTINCT person_id FROM cdm.measurement WHERE measurement_concept_id = {rarely_measured}) m ON m.person_id = d.person_id
WHERE m.person_id IS NULL;

-- [visit] Kinds of visits
WITH visits AS (
  SELECT visit_concept_id, COUNT(*) AS num_visits, COUNT(DISTINCT person_id) AS num_persons
  FROM cdm.visit_occurrence
  GROUP BY visit_concept_id
)
SELECT v.visit_concept_id, c.concept_name AS visit, v.num_visits, v.num_persons
FROM visits v
LEFT JOIN cdm.concept c ON c.concept_id = v.visit_concept_id;

-- [visit] Length of stay in hospital
SELECT ROUND(AVG(DATEDIFF('day', visit_start_date, visit_end_date)), 2) AS mean_stay
FROM cdm.visit_occurrence
WHERE visit_concept_id = 9201;

-- [visit] Length of stay in hospital, by gender
SELECT p.gender_concept_id, AVG(v.visit_end_date - v.visit_start_date) AS mean_stay, COUNT(*) AS num_stays
FROM cdm.visit_occurrence v
JOIN cdm.person p ON p.person_id = v.person_id
WHERE v.visit_concept_id = 9201
GROUP BY p.gender_concept_id;

-- [visit] Stays in hospital by year
SELECT YEAR(visit_start_date) AS visit_year, COUNT(visit_occurrence_id) AS num_visits
FROM (SELECT * FROM cdm.visit_occurrence WHERE visit_concept_id = 9201) stays
WHERE visit_start_date >= '{since}-01-01' AND visit_start_date < '{until}-01-01'
GROUP BY YEAR(visit_start_date)
ORDER BY visit_year;

-- [visit] Length of stay by generation
SELECT CASE WHEN p.year_of_birth < {early} THEN 'older' ELSE 'younger' END AS generation,
       CAST(AVG(DATEDIFF('day', v.visit_start_date, v.visit_end_date)) AS DECIMAL(10, 2)) AS mean_stay
FROM cdm.visit_occurrence v
JOIN cdm.person p ON p.person_id = v.person_id
WHERE v.visit_concept_id = 9201
GROUP BY 1;

-- [visit] Gender of those first in hospital since a year
SELECT c.concept_name AS gender, COUNT(*) AS num_persons
FROM (
  SELECT person_id, visit_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY visit_start_date) AS rn
  FROM cdm.visit_occurrence
  WHERE visit_concept_id = 9201
) f
JOIN cdm.person p ON p.person_id = f.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
WHERE f.rn = 1 AND f.visit_start_date >= '{since}-01-01'
GROUP BY c.concept_name;

-- [condition, generated] Age groups of persons with heart failure
SELECT CASE WHEN age < 40 THEN 'below 40' WHEN age < 65 THEN '40 to 64' WHEN age < 80 THEN '65 to 79' ELSE '80 and older' END AS age_band,
       COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
WHERE co.condition_concept_id = 316139
GROUP BY 1;

-- [condition, generated] Heart disease of any kind, by gender
SELECT g.concept_name AS gender, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
JOIN cdm.concept g ON g.concept_id = p.gender_concept_id
WHERE co.condition_concept_id IN (SELECT descendant_concept_id FROM cdm.concept_ancestor WHERE ancestor_concept_id = 321588)
GROUP BY g.concept_name;

-- [condition, generated] Malignant disease by race, over the vocabulary
SELECT p.race_concept_id, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.concept_ancestor ca ON ca.descendant_concept_id = co.condition_concept_id
JOIN cdm.person p ON p.person_id = co.person_id
WHERE ca.ancestor_concept_id = 443392
GROUP BY p.race_concept_id;

-- [condition, generated] Depression by age group and sex
SELECT p.age_group, p.sex, COUNT(*) AS num_persons
FROM cdm.person p
JOIN (
  SELECT person_id, condition_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY condition_start_date) AS n
  FROM cdm.condition_occurrence
  WHERE condition_concept_id = 440383
) first_depression ON first_depression.person_id = p.person_id
WHERE first_depression.n = 1
GROUP BY p.age_group, p.sex
ORDER BY 1, 2;

-- [condition, generated] Diagnoses made in the emergency room
SELECT c.concept_name, COUNT(*) AS num_diagnoses
FROM cdm.condition_occurrence co
JOIN cdm.visit_occurrence v ON v.visit_occurrence_id = co.visit_occurrence_id
JOIN cdm.concept c ON c.concept_id = co.condition_concept_id
WHERE v.visit_concept_id = 9203
GROUP BY c.concept_name;

-- [condition, generated] Diabetes and kidney disease, by ethnicity
WITH diabetes AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 201826),
     kidney AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 46271022)
SELECT p.ethnicity, COUNT(*) AS num_persons
FROM cdm.person p
JOIN diabetes d ON d.person_id = p.person_id
JOIN kidney k ON k.person_id = p.person_id
GROUP BY p.ethnicity;

-- [drug exposure, generated] Supplies of 30 and 90 days
SELECT CASE WHEN days_supply = 30 THEN 'one month' WHEN days_supply = 90 THEN 'three months' END AS supply, COUNT(*) AS num_exposures
FROM cdm.drug_exposure
GROUP BY 1;

-- [drug exposure, generated] Antidiabetic drugs, over the vocabulary
SELECT COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_exposure de
WHERE de.drug_concept_id IN (SELECT descendant_concept_id FROM cdm.concept_ancestor WHERE ancestor_concept_id = 21600712);

-- [drug exposure, generated] Diabetics without metformin and without insulin
SELECT p.sex, COUNT(*) AS num_persons
FROM cdm.person p
WHERE p.person_id IN (SELECT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 201826)
  AND p.person_id NOT IN (SELECT person_id FROM cdm.drug_exposure WHERE drug_concept_id IN (1503297, 1502905))
GROUP BY p.sex;

-- [drug exposure, generated] Persons with several prescriptions of atorvastatin
SELECT p.age_group, COUNT(*) AS num_persons
FROM cdm.person p
JOIN (SELECT person_id FROM cdm.drug_exposure WHERE drug_concept_id = 1545958 GROUP BY person_id HAVING COUNT(*) >= 3) s
  ON s.person_id = p.person_id
GROUP BY p.age_group;

-- [drug exposure, generated] Kinds of drugs by sex
SELECT CASE WHEN drug_concept_id IN (1308216, 1332418, 956874) THEN 'blood pressure'
            WHEN drug_concept_id IN (1503297, 1502905) THEN 'diabetes'
            WHEN drug_concept_id IN (1545958, 43013024) THEN 'heart' END AS kind,
       sex, COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_exposure de
JOIN cdm.person p ON p.person_id = de.person_id
GROUP BY 1, 2;

-- [drug exposure, generated] Apixaban in atrial fibrillation, by age group
SELECT p.age_group, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p
JOIN cdm.drug_exposure de ON de.person_id = p.person_id
WHERE de.drug_concept_id = 43013024
  AND EXISTS (SELECT 1 FROM cdm.condition_occurrence co WHERE co.person_id = p.person_id AND co.condition_concept_id = 313217)
GROUP BY p.age_group;

-- [measurement, generated] Blood pressure: mean, spread, median
SELECT COUNT(*) AS n, AVG(value_as_number) AS mean_value, STDDEV(value_as_number) AS sd_value, MEDIAN(value_as_number) AS median_value
FROM cdm.measurement
WHERE measurement_concept_id = 3004249;

-- [measurement, generated] Every measurement with its unit: mean and spread
SELECT c.concept_name, unit_source_value, AVG(value_as_number) AS mean_value, STDDEV(value_as_number) AS sd_value
FROM cdm.measurement m
JOIN cdm.concept c ON c.concept_id = m.measurement_concept_id
GROUP BY c.concept_name, unit_source_value;

-- [measurement, generated] Quartiles of haemoglobin A1c
SELECT PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY value_as_number) AS q1,
       PERCENTILE_CONT(0.50) WITHIN GROUP (ORDER BY value_as_number) AS q2,
       PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY value_as_number) AS q3
FROM cdm.measurement
WHERE measurement_concept_id = 3004410;

-- [measurement, generated] Categories of systolic pressure
SELECT CASE WHEN value_as_number < 120 THEN 'normal' WHEN value_as_number < 140 THEN 'elevated' WHEN value_as_number >= 140 THEN 'high' END AS category,
       COUNT(*) AS num_measurements
FROM cdm.measurement
WHERE measurement_concept_id = 3004249
GROUP BY 1;

-- [measurement, generated] High blood pressure ever measured, by race
WITH high AS (
  SELECT DISTINCT person_id FROM cdm.measurement WHERE measurement_concept_id = 3004249 AND value_as_number >= 140
)
SELECT p.race, COUNT(*) AS num_persons
FROM cdm.person p
JOIN high h ON h.person_id = p.person_id
GROUP BY p.race;

-- [measurement, generated] Measurements without a value
SELECT measurement_concept_id, COUNT(*) AS num_missing
FROM cdm.measurement
WHERE value_as_number IS NULL
GROUP BY measurement_concept_id;

-- [measurement, generated] Creatinine of persons with kidney disease
WITH kidney AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 46271022)
SELECT AVG(m.value_as_number) AS mean_creatinine, COUNT(m.value_as_number) AS num_values
FROM cdm.measurement m
JOIN kidney k ON k.person_id = m.person_id
WHERE m.measurement_concept_id = 3016723;

-- [visit, generated] Visits of each kind per year
SELECT EXTRACT(YEAR FROM visit_start_date) AS visit_year,
       CASE WHEN visit_concept_id = 9201 THEN 'stay' ELSE 'visit' END AS kind,
       COUNT(*) AS num_visits
FROM cdm.visit_occurrence
WHERE visit_start_date >= '2020-01-01' AND visit_start_date < '2025-01-01'
GROUP BY 1, 2;

-- [visit, generated] Quartiles of the length of stay, by sex
SELECT p.sex,
       PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY v.visit_end_date - v.visit_start_date) AS q1,
       PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY v.visit_end_date - v.visit_start_date) AS q3
FROM cdm.visit_occurrence v
JOIN cdm.person p ON p.person_id = v.person_id
WHERE v.visit_concept_id = 9201
GROUP BY p.sex;

-- [visit, generated] Median length of stay by age group
SELECT p.age_group, MEDIAN(DATEDIFF('day', v.visit_start_date, v.visit_end_date)) AS median_stay
FROM cdm.visit_occurrence v
JOIN cdm.person p ON p.person_id = v.person_id
WHERE v.visit_concept_id = 9201
GROUP BY p.age_group;

-- [visit, generated] Persons with a visit and no stay in hospital, by sex
WITH stays AS (SELECT DISTINCT person_id FROM cdm.visit_occurrence WHERE visit_concept_id = 9201)
SELECT p.sex, COUNT(DISTINCT p.person_id) AS num_persons
FROM cdm.person p
LEFT JOIN stays s ON s.person_id = p.person_id
WHERE s.person_id IS NULL
GROUP BY p.sex;

-- [death, generated] How many persons died, by sex?
SELECT c.concept_name AS gender, COUNT(d.person_id) AS num_deaths
FROM (SELECT person_id FROM cdm.death WHERE death_date >= '2023-01-01') d
JOIN cdm.person p ON p.person_id = d.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
GROUP BY c.concept_name;

-- [death, generated] Causes of death
SELECT c.concept_name AS cause, COALESCE(COUNT(*), 0) AS num_deaths
FROM cdm.death d
JOIN cdm.concept c ON c.concept_id = d.cause_concept_id
GROUP BY c.concept_name
ORDER BY num_deaths DESC;

-- [death, generated] Age bands of the dead
SELECT CASE WHEN age < 65 THEN 'below 65' WHEN age < 80 THEN '65 to 79' ELSE '80 and older' END AS age_band, COUNT(*) AS num_deaths
FROM cdm.death d
JOIN cdm.person p ON p.person_id = d.person_id
GROUP BY 1;

-- [death, generated] Deaths of persons with heart failure
SELECT COUNT(DISTINCT d.person_id) AS num_deaths
FROM cdm.death d
WHERE d.person_id IN (SELECT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 316139)
  AND EXTRACT(YEAR FROM d.death_date) = 2024;

-- [death, generated] Survivors of a stay in hospital
SELECT COUNT(DISTINCT v.person_id) AS num_survivors
FROM cdm.visit_occurrence v
LEFT JOIN cdm.death d ON d.person_id = v.person_id
WHERE v.visit_concept_id = 9201 AND d.person_id IS NULL;

-- [death, generated] Time from the start of observation to death
SELECT AVG(DATEDIFF('day', op.observation_period_start_date, d.death_date)) AS mean_days
FROM cdm.death d
JOIN cdm.observation_period op ON op.person_id = d.person_id;

-- [death, generated] Persons with diabetes who did not die, by age group
SELECT p.age_group, COUNT(*) AS num_persons
FROM cdm.person p
LEFT JOIN cdm.death d ON d.person_id = p.person_id
WHERE d.person_id IS NULL
  AND p.person_id IN (SELECT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 201826)
GROUP BY p.age_group;

-- [condition era, gibleed] The commonest condition eras
SELECT ce.condition_concept_id, c.concept_name, COUNT(*) AS num_eras, COUNT(DISTINCT ce.person_id) AS num_persons
FROM cdm.condition_era ce
JOIN cdm.concept c ON c.concept_id = ce.condition_concept_id
GROUP BY ce.condition_concept_id, c.concept_name
ORDER BY num_persons DESC
LIMIT 15;

-- [condition era, gibleed] Length of an era, by condition
SELECT c.concept_name, ROUND(AVG(DATEDIFF('day', ce.condition_era_start_date, ce.condition_era_end_date)), 1) AS mean_days
FROM cdm.condition_era ce
JOIN cdm.concept c ON c.concept_id = ce.condition_concept_id
WHERE ce.condition_concept_id IN (40481087, 260139, 372328, 4112343)
GROUP BY c.concept_name;

-- [condition era, gibleed] Eras of acute bronchitis per year
SELECT era_year, COUNT(*) AS num_eras
FROM (
  SELECT person_id, EXTRACT(YEAR FROM condition_era_start_date) AS era_year
  FROM cdm.condition_era
  WHERE condition_concept_id = 260139 AND condition_era_start_date >= '1980-01-01' AND condition_era_start_date < '2015-01-01'
) eras
GROUP BY era_year
ORDER BY era_year;

-- [condition era, gibleed] Respiratory and other eras
SELECT CASE WHEN condition_concept_id IN (40481087, 260139, 4112343, 257012) THEN 'respiratory' ELSE 'other' END AS kind, COUNT(*) AS num_eras
FROM cdm.condition_era
GROUP BY 1;

-- [condition, gibleed] Gastrointestinal bleeding by gender
SELECT c.concept_name AS gender, COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
WHERE co.condition_concept_id = 192671
GROUP BY c.concept_name;

-- [condition, gibleed] Fractures of any of several kinds, by generation
SELECT CASE WHEN p.year_of_birth < 1950 THEN 'before 1950' WHEN p.year_of_birth < 1970 THEN '1950 to 1969' ELSE '1970 and later' END AS born,
       COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
JOIN cdm.person p ON p.person_id = co.person_id
WHERE co.condition_concept_id IN (4278672, 4237458, 4134304, 4059173)
GROUP BY 1;

-- [condition, gibleed] Persons with an ankle sprain and no fracture of the ankle
SELECT COUNT(DISTINCT co.person_id) AS num_persons
FROM cdm.condition_occurrence co
WHERE co.condition_concept_id = 81151
  AND NOT EXISTS (SELECT 1 FROM cdm.condition_occurrence f WHERE f.person_id = co.person_id AND f.condition_concept_id = 4059173);

-- [condition, gibleed] Length of a sinusitis
SELECT AVG(condition_end_date - condition_start_date) AS mean_days, COUNT(*) AS num_diagnoses
FROM cdm.condition_occurrence
WHERE condition_concept_id = 40481087 AND condition_end_date IS NOT NULL;

-- [drug exposure, gibleed] Celecoxib and diclofenac, by gender
SELECT d.concept_name AS drug, g.concept_name AS gender, COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_exposure de
JOIN cdm.person p ON p.person_id = de.person_id
JOIN cdm.concept d ON d.concept_id = de.drug_concept_id
JOIN cdm.concept g ON g.concept_id = p.gender_concept_id
WHERE de.drug_concept_id IN (1118084, 1124300)
GROUP BY d.concept_name, g.concept_name;

-- [drug exposure, gibleed] Bleeding among new users of celecoxib
WITH new_users AS (
  SELECT person_id, MIN(drug_exposure_start_date) AS index_date FROM cdm.drug_exposure WHERE drug_concept_id = 1118084 GROUP BY person_id
)
SELECT COUNT(DISTINCT u.person_id) AS num_persons
FROM new_users u
WHERE u.person_id IN (SELECT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 192671);

-- [drug exposure, gibleed] New users of celecoxib per year, from a window function
SELECT YEAR(drug_exposure_start_date) AS index_year, COUNT(*) AS num_persons
FROM (
  SELECT person_id, drug_exposure_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY drug_exposure_start_date) AS rn
  FROM cdm.drug_exposure WHERE drug_concept_id = 1118084
) x
WHERE rn = 1
GROUP BY YEAR(drug_exposure_start_date);

-- [drug exposure, gibleed] Days of supply, by drug
SELECT drug_concept_id, ROUND(AVG(days_supply), 1) AS mean_supply, COUNT(*) AS num_exposures
FROM cdm.drug_exposure
WHERE drug_concept_id IN (19059056, 1127433, 40213227, 1713671)
GROUP BY drug_concept_id;

-- [drug exposure, gibleed] Median days of supply of amoxicillin
SELECT MEDIAN(days_supply) AS median_supply FROM cdm.drug_exposure WHERE drug_concept_id = 1713671;

-- [drug exposure, gibleed] Vaccinations by generation
SELECT CASE WHEN p.year_of_birth < 1960 THEN 'older' ELSE 'younger' END AS generation, de.drug_concept_id, COUNT(*) AS num_doses
FROM cdm.drug_exposure de
JOIN cdm.person p ON p.person_id = de.person_id
WHERE de.drug_concept_id IN (40213227, 40213160, 40213296)
GROUP BY 1, 2;

-- [drug exposure, gibleed] Aspirin users without bleeding
SELECT p.gender_concept_id, COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_exposure de
JOIN cdm.person p ON p.person_id = de.person_id
LEFT JOIN (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 192671) b ON b.person_id = de.person_id
WHERE de.drug_concept_id = 19059056 AND b.person_id IS NULL
GROUP BY p.gender_concept_id;

-- [drug era, gibleed] The commonest ingredients
SELECT c.concept_name AS ingredient, COUNT(DISTINCT de.person_id) AS num_persons
FROM cdm.drug_era de
JOIN cdm.concept c ON c.concept_id = de.drug_concept_id
GROUP BY c.concept_name
ORDER BY num_persons DESC
LIMIT 15;

-- [drug era, gibleed] Length of an era, by ingredient
SELECT drug_concept_id, AVG(drug_era_end_date - drug_era_start_date) AS mean_days
FROM cdm.drug_era
WHERE drug_concept_id IN (1125315, 1713332, 1112807, 1177480)
GROUP BY drug_concept_id;

-- [drug era, gibleed] Persons with an era of aspirin and none of ibuprofen
SELECT COUNT(DISTINCT person_id) AS num_persons
FROM cdm.drug_era
WHERE drug_concept_id = 1112807 AND person_id NOT IN (SELECT person_id FROM cdm.drug_era WHERE drug_concept_id = 1177480);

-- [drug era, gibleed] Length of an era by gender, aspirin
SELECT c.concept_name AS gender, AVG(e.drug_era_end_date - e.drug_era_start_date) AS mean_days, COUNT(*) AS num_eras
FROM cdm.drug_era e
JOIN cdm.person p ON p.person_id = e.person_id
JOIN cdm.concept c ON c.concept_id = p.gender_concept_id
WHERE e.drug_concept_id = 1112807
GROUP BY c.concept_name;

-- [drug era, gibleed] First era of aspirin since a year, by generation
WITH ranked AS (
  SELECT person_id, drug_era_start_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY drug_era_start_date) AS rn
  FROM cdm.drug_era
  WHERE drug_concept_id = 1112807
)
SELECT CASE WHEN p.year_of_birth < 1950 THEN 'before 1950' ELSE '1950 and later' END AS born, COUNT(*) AS num_persons
FROM ranked r
JOIN cdm.person p ON p.person_id = r.person_id
WHERE r.rn = 1 AND r.drug_era_start_date >= '1980-01-01'
GROUP BY 1;

-- [procedure, gibleed] The commonest procedures
SELECT po.procedure_concept_id, c.concept_name, COUNT(*) AS num_procedures, COUNT(DISTINCT po.person_id) AS num_persons
FROM cdm.procedure_occurrence po
JOIN cdm.concept c ON c.concept_id = po.procedure_concept_id
GROUP BY po.procedure_concept_id, c.concept_name
ORDER BY num_persons DESC
LIMIT 12;

-- [procedure, gibleed] Sutures by gender and race
SELECT p.gender_concept_id, p.race_concept_id, COUNT(DISTINCT po.person_id) AS num_persons
FROM cdm.procedure_occurrence po
JOIN cdm.person p ON p.person_id = po.person_id
WHERE po.procedure_concept_id = 4125906
GROUP BY p.gender_concept_id, p.race_concept_id;

-- [procedure, gibleed] Procedures per year
SELECT YEAR(procedure_date) AS procedure_year, COUNT(1) AS num_procedures
FROM cdm.procedure_occurrence
WHERE procedure_date >= '1980-01-01' AND procedure_date < '2015-01-01'
GROUP BY YEAR(procedure_date);

-- [procedure, gibleed] Chest X-rays of persons with bronchitis
WITH bronchitis AS (SELECT DISTINCT person_id FROM cdm.condition_occurrence WHERE condition_concept_id = 260139)
SELECT COUNT(DISTINCT po.person_id) AS num_persons
FROM cdm.procedure_occurrence po
INNER JOIN bronchitis b ON b.person_id = po.person_id
WHERE po.procedure_concept_id = 4163872;

-- [procedure, gibleed] Imaging and other procedures
SELECT CASE WHEN procedure_concept_id IN (4163872, 4047491, 4058899, 4243062, 4024289, 4252419) THEN 'imaging' ELSE 'other' END AS kind,
       COUNT(DISTINCT person_id) AS num_persons
FROM cdm.procedure_occurrence
GROUP BY 1;

-- [procedure, gibleed] First bone immobilisation since a year
SELECT COUNT(*) AS num_persons
FROM (
  SELECT person_id, procedure_date, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY procedure_date) AS rn
  FROM cdm.procedure_occurrence WHERE procedure_concept_id = 4170947
) f
WHERE f.rn = 1 AND f.procedure_date >= '1990-01-01';

-- [procedure, gibleed] Persons sutured who never had a bone scan
SELECT COUNT(DISTINCT s.person_id) AS num_persons
FROM cdm.procedure_occurrence s
LEFT JOIN (SELECT DISTINCT person_id FROM cdm.procedure_occurrence WHERE procedure_concept_id = 4195803) b ON b.person_id = s.person_id
WHERE s.procedure_concept_id = 4125906 AND b.person_id IS NULL;

-- [observation, gibleed] Allergies by kind
SELECT o.observation_concept_id, c.concept_name, COUNT(DISTINCT o.person_id) AS num_persons
FROM cdm.observation o
JOIN cdm.concept c ON c.concept_id = o.observation_concept_id
WHERE o.observation_concept_id IN (4304110, 439406, 4302207, 4306014, 4048169, 433644)
GROUP BY o.observation_concept_id, c.concept_name;

-- [observation, gibleed] Persons with an allergy to mould and a history of sinusitis
SELECT COUNT(DISTINCT o.person_id) AS num_persons
FROM cdm.observation o
WHERE o.observation_concept_id = 4304110
  AND EXISTS (SELECT 1 FROM cdm.condition_occurrence co WHERE co.person_id = o.person_id AND co.condition_concept_id = 257012);

-- [observation, gibleed] Kinds of allergy
SELECT kind, COUNT(DISTINCT person_id) AS num_persons
FROM (
  SELECT person_id,
         CASE WHEN observation_concept_id IN (4304110, 4302207, 4306014, 4048169) THEN 'airborne'
              WHEN observation_concept_id IN (433644, 4240902, 442116, 4139681, 4169137) THEN 'food' ELSE 'other' END AS kind
  FROM cdm.observation
) allergies
GROUP BY kind;
