"""The functions of DuckDB 2.0.0 that no query may use, by kind and by why."""

from enum import StrEnum


class Why(StrEnum):
    """Why a function is denied: what it would let out, or do."""

    record = "returns a record's value"
    values = "returns many values, or as many as there are"
    packs = "packs many values into one number, or tells of one person by a bit"
    order = "orders or numbers single rows"
    computes = "computes with values: the result packs them, the errors carry them"
    text = "takes texts apart, or puts them together"
    nested = "builds or opens lists, maps, structs or JSON"
    random = "makes random or arbitrary groups, which add up to a reconstruction"
    clock = "tells the time, waits, or makes dates of other numbers"
    runs = "runs text that is put together while it runs"
    reads = "reads or writes outside the approved tables"
    tells = "tells of the engine, its settings, its statistics or its users"
    changes = "changes settings or state"
    internal = "belongs to the engine's own plans"


INSTEAD: dict[Why, str] = {
    Why.record: "Use avg(), median() or quantile_cont(), or the bounds in the catalogue (tp.catalogue()).",
    Why.values: "Use GROUP BY on a dimension with count(*).",
    Why.packs: "Use count(*), sum() or avg() of a plain column, or count(*) grouped by it.",
    Why.order: "Use GROUP BY; the released table can be ordered by ORDER BY and cut by LIMIT.",
    Why.computes: "Use plain columns, and compute with the released numbers afterwards.",
    Why.text: "Compare with approved codes: column IN ('…').",
    Why.nested: "Use plain columns, and shape the released table afterwards (.frame()).",
    Why.random: "Ask about all rows.",
    Why.clock: "Compare dates with days (day >= '2019-01-01' AND day < '2020-01-01'), group them by date_trunc('month', day).",
    Why.runs: "Write the SELECT itself, over tables of the catalogue.",
    Why.reads: "Name a table of the catalogue.",
    Why.tells: "See tp.catalogue() for what there is.",
    Why.changes: "A plan only asks.",
    Why.internal: "Use plain columns with avg(), sum() or count(*).",
}
"""What to write instead."""

FAMILIES: dict[str, dict[str, Why]] = {
    "scalar": {"collate_": Why.text, "icu_collate_": Why.text, "__internal_": Why.internal},
}
"""Families closed by what they are: a collation per language, the optimiser's own functions."""


def names_of(text: str) -> frozenset[str]:
    """The names in a text, parted by blanks."""
    return frozenset(text.split())


DENIED: dict[str, dict[Why, frozenset[str]]] = {
    "aggregate": {
        Why.record: names_of("""
            any_value arbitrary arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin first last
            lttb max max_by min_by reservoir_quantile
        """),
        Why.values: names_of("""
            approx_top_k array_agg bitstring_agg group_concat histogram histogram_exact list listagg string_agg variant_group_object
        """),
        Why.packs: names_of("""
            bit_and bit_or bit_xor bool_and bool_or combine_aggr decimal_average favg fsum kahan_sum product sum_no_overflow sumkahan
        """),
    },
    "window": {
        Why.order: names_of("""
            cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense
        """),
    },
    "table": {
        Why.reads: names_of("""
            arrow_scan arrow_scan_dumb glob pandas_scan parquet_bloom_probe parquet_file_metadata parquet_full_metadata
            parquet_kv_metadata parquet_metadata parquet_scan parquet_schema python_arrow_scan python_map_function read_blob read_csv
            read_csv_auto read_duckdb read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto
            read_ndjson_objects read_parquet read_single_csv_file read_single_json_file read_single_parquet_file read_text seq_scan
            sniff_csv
        """),
        Why.runs: names_of("json_execute_serialized_sql query query_table"),
        Why.values: names_of("""
            duckdb_table_sample generate_series json_each json_tree range repeat repeat_row summary test_all_types test_vector_types
            unnest
        """),
        Why.tells: names_of("""
            duckdb_approx_database_count duckdb_available_metrics duckdb_columns duckdb_connection_count duckdb_constraints
            duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_dialects duckdb_eviction_queues
            duckdb_extension_repositories duckdb_extensions duckdb_external_file_cache duckdb_external_resource_types
            duckdb_external_resources duckdb_functions duckdb_grammar_extensions duckdb_indexes duckdb_keywords duckdb_log_contexts
            duckdb_logs duckdb_memory duckdb_optimizers duckdb_prepared_statements duckdb_schemas duckdb_secret_type_parameters
            duckdb_secret_types duckdb_secrets duckdb_sequences duckdb_settings duckdb_tables duckdb_temporary_files duckdb_triggers
            duckdb_types duckdb_variables duckdb_views icu_calendar_names pg_timezone_names pragma_collations pragma_database_size
            pragma_metadata_info pragma_platform pragma_show pragma_storage_info pragma_table_info pragma_user_agent pragma_version
            which_secret
        """),
        Why.changes: names_of("""
            checkpoint create_external_resource deregister_external_resource destroy_external_resource disable_logging
            disable_profiling enable_logging enable_profiling force_checkpoint register_external_resource
            register_external_resource_type truncate_duckdb_logs
        """),
    },
    "table_macro": {
        Why.values: names_of("histogram histogram_values"),
        Why.tells: names_of("duckdb_logs_parsed duckdb_profiling_settings"),
    },
    "pragma": {
        Why.runs: names_of("json_execute_serialized_sql"),
        Why.reads: names_of("copy_database import_database"),
        Why.tells: names_of("""
            collations database_list database_size extension_versions functions metadata_info platform show show_databases show_tables
            show_tables_expanded storage_info table_info user_agent version
        """),
        Why.changes: names_of("""
            add_parquet_key disable_checkpoint_on_shutdown disable_object_cache disable_optimizer disable_print_progress_bar
            disable_profile disable_profiling disable_progress_bar disable_verification disable_verify_parallelism
            enable_checkpoint_on_shutdown enable_object_cache enable_optimizer enable_print_progress_bar enable_profile
            enable_profiling enable_progress_bar enable_verification force_checkpoint verify_parallelism
        """),
    },
    "macro": {
        Why.computes: names_of("assert_true date_add days_in_month fdiv fmod geomean geometric_mean if nullif wavg weighted_avg"),
        Why.text: names_of("md5_number_lower md5_number_upper pg_size_pretty regexp_split_to_table split_part"),
        Why.clock: names_of("ago pg_sleep"),
        Why.values: names_of("generate_subscripts json_group_array json_group_object json_group_structure variant_group_array"),
        Why.nested: names_of("""
            array_append array_pop_back array_pop_front array_prepend array_push_back array_push_front array_reverse array_to_string
            array_to_string_comma_default json json_copy_strftime_if_date json_copy_strftime_if_timestamp list_any_value list_append
            list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_count
            list_entropy list_first list_histogram list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min
            list_mode list_prepend list_product list_reverse list_sem list_skewness list_stddev_pop list_stddev_samp list_string_agg
            list_sum list_var_pop list_var_samp map_contains_entry map_contains_value map_to_pg_oid
        """),
        Why.tells: names_of("""
            col_description current_catalog current_database current_query current_role current_schema current_schemas current_user
            format_pg_type format_type get_block_size has_any_column_privilege has_column_privilege has_database_privilege
            has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_schema_privilege
            has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege inet_client_addr
            inet_client_port inet_server_addr inet_server_port
            obj_description pg_collation_is_visible pg_conf_load_time pg_conversion_is_visible pg_function_is_visible
            pg_get_constraintdef pg_get_expr pg_get_viewdef pg_has_role pg_is_other_temp_schema pg_my_temp_schema
            pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_postmaster_start_time pg_table_is_visible
            pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
            pg_typeof session_user shobj_description user
        """),
    },
    "scalar": {
        Why.internal: names_of("__cast combine finalize to_aggregate_state vector_type index_key"),
        Why.runs: names_of("json_deserialize_sql json_serialize_plan json_serialize_sql invoke"),
        Why.tells: names_of("""
            can_cast_implicitly current_connection_id current_database current_query current_query_id current_schema current_schemas
            current_setting current_transaction_id currval getvariable in_search_path stats txid_current version write_log
        """),
        Why.changes: names_of("nextval setseed setval"),
        Why.random: names_of("""
            gen_random_uuid hash md5 md5_number random sha1 sha256 uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7
        """),
        Why.clock: names_of("""
            age century current_date current_localtime current_localtimestamp date_sub datesub day dayname
            dayofmonth dayofweek dayofyear decade epoch epoch_ms epoch_ns epoch_us era get_current_time get_current_timestamp hour
            isodow isoyear julian last_day make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz
            microsecond millennium millisecond minute month monthname nanosecond normalized_interval now quarter second sleep_ms
            strptime time_bucket timetz_byte_comparable timezone timezone_hour timezone_minute to_centuries to_decades
            to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks
            to_years today transaction_timestamp try_strptime week weekday weekofyear yearweek
        """),
        Why.computes: names_of("""
            !__postfix % & && ** <-> << <=> >> @ ^ | ~ abs acos acosh add asin asinh atan atan2 atanh bar bin binom bit_count
            bit_length bit_position bitstring bitstring_byte_comparable cardinality cast_to_type cbrt ceil ceiling constant_or_null cos
            cosh cot create_sort_key decimal_division degrees divide enum_code enum_first enum_last enum_range enum_range_boundary
            equi_width_bins error even exp factorial gamma gcd get_bit get_type greatest greatest_common_divisor icu_sort_key
            is_histogram_other_bin isfinite isinf isnan lcm least least_common_multiple lgamma ln log log10 log2 make_type mod multiply
            nextafter parse_formatted_bytes pi pow power radians replace_type round_even roundbankers set_bit sign signbit sin
            sinh sqrt subtract switch tan tanh to_base trunc typeof xor
        """)
        | {"IS DISTINCT FROM", "IS NOT DISTINCT FROM"},
        Why.text: names_of("""
            !~~ !~~* ^@ || ~~ ~~* ~~~ alias ascii base64 char_length character_length chr concat concat_ws contains
            damerau_levenshtein decode editdist3 encode ends_with format formatReadableDecimalSize formatReadableSize format_bytes
            from_base64 from_binary from_hex hamming hex hive_partition_component ilike_escape instr jaccard jaro_similarity
            jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein like_escape lower lpad ltrim
            mismatches nfc_normalize not_ilike_escape not_like_escape octet_length ord overlay parse_dirname parse_dirpath
            parse_duckdb_log_message parse_filename parse_path path_join position prefix printf regexp_escape regexp_extract
            regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
            right_grapheme rpad rtrim split starts_with str_split str_split_regex string_split string_split_regex string_to_array
            strip_accents strlen strpos substr substring substring_grapheme suffix to_base64 to_binary to_hex translate trim ucase
            unbin unhex unicode upper url_decode url_encode
        """),
        Why.nested: names_of("""
            ->> <@ @> aggregate apply array_aggr array_aggregate array_apply array_cat array_concat array_contains
            array_cosine_distance array_cosine_similarity array_cross_product array_distance array_distinct array_dot_product
            array_extract array_filter array_grade_up array_has array_has_all array_has_any array_indexof array_inner_product
            array_intersect array_length array_negative_dot_product array_negative_inner_product array_position array_reduce
            array_resize array_reverse_sort array_select array_slice array_sort array_to_json array_transform array_unique array_value
            array_where array_zip element_at filter flatten from_json from_json_strict generate_series grade_up json_array
            json_array_length json_contains json_deep_merge json_exists json_extract json_extract_path json_extract_path_text
            json_extract_string json_insert json_keys json_merge_patch json_merge_patch_diff json_normalize json_object json_pretty
            json_quote json_remove json_replace json_set json_strip_nulls json_structure json_transform json_transform_strict json_type
            json_valid json_value list_aggr list_aggregate list_apply list_cat list_concat list_contains list_cosine_distance
            list_cosine_similarity list_distance list_distinct list_dot_product list_element list_extract list_filter list_grade_up
            list_has list_has_all list_has_any list_indexof list_inner_product list_intersect list_negative_dot_product
            list_negative_inner_product list_pack list_position list_reduce list_resize list_reverse_sort list_select list_slice
            list_sort list_transform list_unique list_value list_where list_zip map map_concat map_contains map_entries map_extract
            map_extract_value map_from_entries map_keys map_values range reduce remap_struct row row_to_json st_asbinary st_asgeojson
            st_astext st_aswkb st_aswkt st_crs st_geomfromgeojson st_geomfromwkb st_intersects_extent st_setcrs struct_concat
            struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack
            struct_position struct_update struct_values to_json union_extract union_tag union_value unpivot_list variant_array_length
            variant_bytes_to_variant variant_comparator variant_contains variant_exists variant_extract variant_extract_string
            variant_keys variant_normalize variant_to_parquet_variant variant_type variant_typeof vertex_extract
        """),
    },
}
"""By kind of function and by why."""
