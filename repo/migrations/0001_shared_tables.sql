-- The tables Berth shares with a cluster manager, for a database where no Manager is: the names,
-- columns and constraints a Manager's own database has, so that the same statements serve both.
-- kernels.image_id and sessions.replica_id stand without their foreign keys: those tables belong to
-- the Manager alone. Indexes that a scheduler pays for and nobody reads are left out here; those
-- that are wanted beyond the keys are in 0003.
-- A role called berth would find schema berth first.
SET LOCAL search_path = public;

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TYPE agentstatus AS ENUM ('ALIVE', 'LOST', 'RESTARTING', 'TERMINATED');
CREATE TYPE defaultforunspecified AS ENUM ('LIMITED', 'UNLIMITED');
CREATE TYPE projecttype AS ENUM ('general', 'model-store');
CREATE TYPE userrole AS ENUM ('superadmin', 'admin', 'user', 'monitor');
CREATE TYPE userstatus AS ENUM ('active', 'inactive', 'deleted', 'before-verification');

-- Owners and their policies -----------------------------------------------------------------------

CREATE TABLE user_resource_policies (
    name                                varchar(256) NOT NULL,
    created_at                          timestamptz DEFAULT now(),
    max_vfolder_count                   integer NOT NULL,
    max_quota_scope_size                bigint NOT NULL,
    max_session_count_per_model_session integer NOT NULL,
    max_customized_image_count          integer NOT NULL,
    max_concurrent_logins               integer,
    CONSTRAINT pk_user_resource_policies PRIMARY KEY (name)
);

CREATE TABLE project_resource_policies (
    name                 varchar(256) NOT NULL,
    created_at           timestamptz DEFAULT now(),
    max_vfolder_count    integer NOT NULL,
    max_quota_scope_size bigint NOT NULL,
    max_network_count    integer NOT NULL,
    CONSTRAINT pk_project_resource_policies PRIMARY KEY (name)
);

CREATE TABLE keypair_resource_policies (
    name                               varchar(256) NOT NULL,
    created_at                         timestamptz DEFAULT now(),
    default_for_unspecified            defaultforunspecified NOT NULL,
    total_resource_slots               jsonb NOT NULL,
    max_session_lifetime               integer NOT NULL DEFAULT 0,
    max_concurrent_sessions            integer NOT NULL,
    max_pending_session_count          integer,
    max_pending_session_resource_slots jsonb,
    max_priority                       integer,
    max_concurrent_sftp_sessions       integer NOT NULL DEFAULT 1,
    max_containers_per_session         integer NOT NULL,
    idle_timeout                       bigint NOT NULL,
    allowed_vfolder_hosts              jsonb NOT NULL,
    CONSTRAINT pk_keypair_resource_policies PRIMARY KEY (name),
    CONSTRAINT ck_keypair_resource_policies_max_priority_within_sessio_6505
        CHECK (max_priority >= 0 AND max_priority <= 100)
);

CREATE TABLE domains (
    name                      varchar(64) NOT NULL,
    id                        uuid NOT NULL DEFAULT uuid_generate_v4(),
    description               varchar(512),
    is_active                 boolean NOT NULL,
    created_at                timestamptz NOT NULL DEFAULT now(),
    modified_at               timestamptz NOT NULL DEFAULT now(),
    total_resource_slots      jsonb NOT NULL,
    allowed_vfolder_hosts     jsonb NOT NULL,
    allowed_docker_registries varchar[] NOT NULL,
    integration_id            varchar(512),
    dotfiles                  bytea NOT NULL,
    CONSTRAINT pk_domains PRIMARY KEY (name),
    CONSTRAINT uq_domains_id UNIQUE (id)
);

CREATE TABLE groups (
    id                    uuid NOT NULL DEFAULT uuid_generate_v4(),
    name                  varchar(64) NOT NULL,
    description           varchar(512),
    is_active             boolean,
    created_at            timestamptz DEFAULT now(),
    modified_at           timestamptz DEFAULT now(),
    integration_id        varchar(512),
    domain_name           varchar(64) NOT NULL,
    total_resource_slots  jsonb NOT NULL,
    allowed_vfolder_hosts jsonb NOT NULL,
    dotfiles              bytea NOT NULL,
    resource_policy       varchar(256) NOT NULL,
    type                  projecttype NOT NULL,
    container_registry    jsonb,
    CONSTRAINT pk_groups PRIMARY KEY (id),
    CONSTRAINT uq_groups_name_domain_name UNIQUE (name, domain_name),
    CONSTRAINT fk_groups_domain_name_domains FOREIGN KEY (domain_name)
        REFERENCES domains (name) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT fk_groups_resource_policy_project_resource_policies
        FOREIGN KEY (resource_policy) REFERENCES project_resource_policies (name)
);
CREATE INDEX ix_groups_domain_name ON groups (domain_name);

CREATE TABLE users (
    uuid                 uuid NOT NULL DEFAULT uuid_generate_v4(),
    username             varchar(64),
    email                varchar(64) NOT NULL,
    password             varchar,
    need_password_change boolean,
    password_changed_at  timestamptz DEFAULT now(),
    full_name            varchar(64),
    description          varchar(500),
    status               userstatus NOT NULL,
    status_info          varchar,
    created_at           timestamptz DEFAULT now(),
    modified_at          timestamptz DEFAULT now(),
    integration_id       varchar(512),
    domain_name          varchar(64),
    role                 userrole,
    allowed_client_ip    cidr[],
    totp_key             varchar(32),
    totp_activated       boolean DEFAULT false,
    totp_activated_at    timestamptz,
    resource_policy      varchar(256) NOT NULL,
    sudo_session_enabled boolean NOT NULL,
    main_access_key      varchar(20),
    container_uid        integer,
    container_main_gid   integer,
    container_gids       integer[],
    CONSTRAINT pk_users PRIMARY KEY (uuid),
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT fk_users_domain_name_domains FOREIGN KEY (domain_name) REFERENCES domains (name),
    CONSTRAINT fk_users_resource_policy_user_resource_policies
        FOREIGN KEY (resource_policy) REFERENCES user_resource_policies (name)
);
CREATE INDEX ix_users_domain_name ON users (domain_name);
CREATE UNIQUE INDEX ix_users_email ON users (email);

CREATE TABLE keypairs (
    access_key       varchar(20) NOT NULL,
    secret_key       varchar(40),
    user_id          varchar(256),
    is_active        boolean,
    is_admin         boolean DEFAULT false,
    created_at       timestamptz DEFAULT now(),
    modified_at      timestamptz DEFAULT now(),
    last_used        timestamptz,
    rate_limit       integer,
    num_queries      integer DEFAULT 0,
    ssh_public_key   text,
    ssh_private_key  text,
    "user"           uuid NOT NULL,
    resource_policy  varchar(256) NOT NULL,
    dotfiles         bytea NOT NULL,
    bootstrap_script varchar(65536) NOT NULL,
    CONSTRAINT pk_keypairs PRIMARY KEY (access_key),
    CONSTRAINT fk_keypairs_resource_policy_keypair_resource_policies
        FOREIGN KEY (resource_policy) REFERENCES keypair_resource_policies (name),
    CONSTRAINT fk_keypairs_user_users FOREIGN KEY ("user") REFERENCES users (uuid)
);
CREATE INDEX ix_keypairs_is_active ON keypairs (is_active);
CREATE INDEX ix_keypairs_is_admin ON keypairs (is_admin);
CREATE INDEX ix_keypairs_user_id ON keypairs (user_id);

ALTER TABLE users ADD CONSTRAINT fk_users_main_access_key_keypairs
    FOREIGN KEY (main_access_key) REFERENCES keypairs (access_key) ON DELETE SET NULL;

-- Scaling groups, slots and agents ----------------------------------------------------------------

CREATE TABLE scaling_groups (
    name                       varchar(64) NOT NULL,
    id                         uuid NOT NULL DEFAULT uuid_generate_v4(),
    description                varchar(512),
    is_active                  boolean,
    is_public                  boolean NOT NULL DEFAULT true,
    is_default                 boolean NOT NULL DEFAULT false,
    created_at                 timestamptz DEFAULT now(),
    wsproxy_addr               varchar(1024),
    wsproxy_api_token          varchar(128),
    driver                     varchar(64) NOT NULL,
    driver_opts                jsonb NOT NULL,
    scheduler                  varchar(64) NOT NULL,
    use_host_network           boolean NOT NULL DEFAULT false,
    scheduler_opts             jsonb NOT NULL,
    fair_share_spec            jsonb,
    default_session_options    jsonb NOT NULL,
    default_deployment_options jsonb NOT NULL,
    CONSTRAINT pk_scaling_groups PRIMARY KEY (name),
    CONSTRAINT uq_scaling_groups_id UNIQUE (id)
);
CREATE INDEX ix_scaling_groups_is_active ON scaling_groups (is_active);
CREATE INDEX ix_scaling_groups_is_public ON scaling_groups (is_public);
CREATE UNIQUE INDEX uq_scaling_groups_is_default ON scaling_groups (is_default) WHERE is_default;

CREATE TABLE sgroups_for_domains (
    id            uuid NOT NULL DEFAULT uuid_generate_v4(),
    scaling_group varchar(64) NOT NULL,
    domain        varchar(64) NOT NULL,
    CONSTRAINT pk_sgroups_for_domains PRIMARY KEY (id),
    CONSTRAINT uq_sgroup_domain UNIQUE (scaling_group, domain),
    CONSTRAINT fk_sgroups_for_domains_scaling_group_scaling_groups FOREIGN KEY (scaling_group)
        REFERENCES scaling_groups (name) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT fk_sgroups_for_domains_domain_domains FOREIGN KEY (domain)
        REFERENCES domains (name) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX ix_sgroups_for_domains_domain ON sgroups_for_domains (domain);
CREATE INDEX ix_sgroups_for_domains_scaling_group ON sgroups_for_domains (scaling_group);

CREATE TABLE sgroups_for_groups (
    id            uuid NOT NULL DEFAULT uuid_generate_v4(),
    scaling_group varchar(64) NOT NULL,
    "group"       uuid NOT NULL,
    CONSTRAINT pk_sgroups_for_groups PRIMARY KEY (id),
    CONSTRAINT uq_sgroup_ugroup UNIQUE (scaling_group, "group"),
    CONSTRAINT fk_sgroups_for_groups_scaling_group_scaling_groups FOREIGN KEY (scaling_group)
        REFERENCES scaling_groups (name) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT fk_sgroups_for_groups_group_groups FOREIGN KEY ("group")
        REFERENCES groups (id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX ix_sgroups_for_groups_group ON sgroups_for_groups ("group");
CREATE INDEX ix_sgroups_for_groups_scaling_group ON sgroups_for_groups (scaling_group);

CREATE TABLE sgroups_for_keypairs (
    id            uuid NOT NULL DEFAULT uuid_generate_v4(),
    scaling_group varchar(64) NOT NULL,
    access_key    varchar(20) NOT NULL,
    CONSTRAINT pk_sgroups_for_keypairs PRIMARY KEY (id),
    CONSTRAINT uq_sgroup_akey UNIQUE (scaling_group, access_key),
    CONSTRAINT fk_sgroups_for_keypairs_scaling_group_scaling_groups FOREIGN KEY (scaling_group)
        REFERENCES scaling_groups (name) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT fk_sgroups_for_keypairs_access_key_keypairs FOREIGN KEY (access_key)
        REFERENCES keypairs (access_key) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX ix_sgroups_for_keypairs_access_key ON sgroups_for_keypairs (access_key);
CREATE INDEX ix_sgroups_for_keypairs_scaling_group ON sgroups_for_keypairs (scaling_group);

CREATE TABLE resource_slot_types (
    slot_name     varchar(64) NOT NULL,
    slot_type     varchar(16) NOT NULL,
    display_name  varchar(128) NOT NULL DEFAULT '',
    description   varchar(256) NOT NULL DEFAULT '',
    display_unit  varchar(32) NOT NULL DEFAULT '',
    display_icon  varchar(64) NOT NULL DEFAULT '',
    number_format jsonb NOT NULL DEFAULT '{"binary": false, "round_length": 0}',
    required      boolean NOT NULL DEFAULT false,
    enabled       boolean NOT NULL DEFAULT true,
    rank          integer NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_resource_slot_types PRIMARY KEY (slot_name)
);
INSERT INTO resource_slot_types (slot_name, slot_type, required, rank) VALUES
    ('cpu', 'count', true, 100),
    ('mem', 'bytes', true, 200),
    ('cuda.device', 'count', false, 300),
    ('cuda.shares', 'count', false, 400),
    ('rocm.device', 'count', false, 500),
    ('tpu.device', 'count', false, 600);

CREATE TABLE agents (
    id                            varchar(64) NOT NULL,
    status                        agentstatus NOT NULL,
    status_changed                timestamptz,
    region                        varchar(64) NOT NULL,
    scaling_group                 varchar(64) NOT NULL DEFAULT 'default',
    resource_group_id             uuid NOT NULL,
    schedulable                   boolean NOT NULL DEFAULT true,
    available_slots               jsonb NOT NULL,
    occupied_slots                jsonb NOT NULL,
    addr                          varchar(128) NOT NULL,
    public_host                   varchar(256),
    public_key                    varchar(40),
    first_contact                 timestamptz DEFAULT now(),
    lost_at                       timestamptz,
    version                       varchar(64) NOT NULL,
    architecture                  varchar(32) NOT NULL,
    compute_plugins               jsonb NOT NULL,
    auto_terminate_abusing_kernel boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_agents PRIMARY KEY (id),
    CONSTRAINT fk_agents_resource_group_id_scaling_groups
        FOREIGN KEY (resource_group_id) REFERENCES scaling_groups (id),
    CONSTRAINT fk_agents_scaling_group_scaling_groups
        FOREIGN KEY (scaling_group) REFERENCES scaling_groups (name)
);
CREATE INDEX ix_agents_region ON agents (region);
CREATE INDEX ix_agents_resource_group_id ON agents (resource_group_id);
CREATE INDEX ix_agents_scaling_group ON agents (scaling_group);
CREATE INDEX ix_agents_status ON agents (status);

CREATE TABLE agent_resources (
    agent_id    varchar(64) NOT NULL,
    slot_name   varchar(64) NOT NULL,
    capacity    numeric(24,6) NOT NULL,
    reserved    numeric(24,6) NOT NULL DEFAULT 0,
    prereserved numeric(24,6) NOT NULL DEFAULT 0,
    used        numeric(24,6) NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_agent_resources PRIMARY KEY (agent_id, slot_name),
    CONSTRAINT fk_agent_resources_agent_id_agents FOREIGN KEY (agent_id)
        REFERENCES agents (id) ON DELETE CASCADE,
    CONSTRAINT fk_agent_resources_slot_name_resource_slot_types
        FOREIGN KEY (slot_name) REFERENCES resource_slot_types (slot_name)
);
CREATE INDEX ix_agent_resources_slot_name ON agent_resources (slot_name);

-- Sessions and kernels ----------------------------------------------------------------------------

CREATE TABLE session_groups (
    id                    uuid NOT NULL DEFAULT uuid_generate_v4(),
    domain_id             uuid NOT NULL,
    project_id            uuid NOT NULL,
    owner_user_id         uuid NOT NULL,
    placement_direction   varchar(64) NOT NULL,
    placement_enforcement varchar(64) NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    deleted_at            timestamptz,
    CONSTRAINT pk_session_groups PRIMARY KEY (id),
    CONSTRAINT fk_session_groups_domain_id_domains
        FOREIGN KEY (domain_id) REFERENCES domains (id),
    CONSTRAINT fk_session_groups_project_id_groups
        FOREIGN KEY (project_id) REFERENCES groups (id),
    CONSTRAINT fk_session_groups_owner_user_id_users
        FOREIGN KEY (owner_user_id) REFERENCES users (uuid) ON DELETE RESTRICT
);

CREATE TABLE sessions (
    id                   uuid NOT NULL DEFAULT uuid_generate_v4(),
    creation_id          varchar(32),
    name                 varchar(128),
    session_type         varchar(64) NOT NULL DEFAULT 'INTERACTIVE',
    priority             integer NOT NULL,
    is_preemptible       boolean NOT NULL DEFAULT true,
    job_priority         integer NOT NULL DEFAULT 0,
    cluster_mode         varchar(16) NOT NULL DEFAULT 'SINGLE_NODE',
    cluster_size         integer NOT NULL,
    options              jsonb NOT NULL,
    agent_ids            varchar[],
    designated_agent_ids varchar[],
    session_group_id     uuid,
    scaling_group_name   varchar(64) NOT NULL,
    resource_group_id    uuid NOT NULL,
    target_sgroup_names  varchar(64)[] DEFAULT '{}',
    domain_name          varchar(64) NOT NULL,
    domain_id            uuid NOT NULL,
    group_id             uuid NOT NULL,
    user_uuid            uuid NOT NULL DEFAULT uuid_generate_v4(),
    access_key           varchar(20),
    images               varchar[],
    image_ids            uuid[],
    tag                  varchar(64),
    occupying_slots      jsonb NOT NULL,
    requested_slots      jsonb NOT NULL,
    vfolder_mounts       jsonb,
    environ              jsonb,
    bootstrap_script     varchar(16384),
    use_host_network     boolean NOT NULL,
    timeout              bigint,
    batch_timeout        bigint,
    created_at           timestamptz DEFAULT now(),
    terminated_at        timestamptz,
    starts_at            timestamptz,
    requested_starts_at  timestamptz,
    status               varchar(64) NOT NULL DEFAULT 'PENDING',
    status_info          varchar,
    status_data          jsonb,
    status_history       jsonb,
    callback_url         text,
    startup_command      text,
    result               varchar(64) NOT NULL DEFAULT 'UNDEFINED',
    num_queries          bigint,
    last_stat            jsonb,
    network_type         varchar(64),
    network_id           varchar(128),
    replica_id           uuid,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT fk_sessions_domain_id_domains FOREIGN KEY (domain_id) REFERENCES domains (id),
    CONSTRAINT fk_sessions_domain_name_domains FOREIGN KEY (domain_name) REFERENCES domains (name),
    CONSTRAINT fk_sessions_group_id_groups FOREIGN KEY (group_id) REFERENCES groups (id),
    CONSTRAINT fk_sessions_resource_group_id_scaling_groups
        FOREIGN KEY (resource_group_id) REFERENCES scaling_groups (id),
    CONSTRAINT fk_sessions_scaling_group_name_scaling_groups
        FOREIGN KEY (scaling_group_name) REFERENCES scaling_groups (name),
    CONSTRAINT fk_sessions_session_group_id_session_groups
        FOREIGN KEY (session_group_id) REFERENCES session_groups (id) ON DELETE SET NULL
);

CREATE TABLE kernels (
    id                  uuid NOT NULL DEFAULT uuid_generate_v4(),
    session_id          uuid NOT NULL,
    session_creation_id varchar(32),
    session_name        varchar(128),
    session_type        varchar(64) NOT NULL DEFAULT 'INTERACTIVE',
    cluster_mode        varchar(16) NOT NULL DEFAULT 'SINGLE_NODE',
    cluster_size        integer NOT NULL,
    cluster_role        varchar(16) NOT NULL,
    cluster_idx         integer NOT NULL,
    local_rank          integer NOT NULL,
    cluster_hostname    varchar(64) NOT NULL,
    uid                 integer,
    main_gid            integer,
    gids                integer[],
    scaling_group       varchar(64) NOT NULL,
    resource_group_id   uuid NOT NULL,
    agent               varchar(64),
    agent_addr          varchar(128),
    domain_name         varchar(64) NOT NULL,
    group_id            uuid NOT NULL,
    user_uuid           uuid NOT NULL,
    access_key          varchar(20),
    image               varchar(512),
    image_id            uuid,
    architecture        varchar(32),
    registry            varchar(512),
    tag                 varchar(64),
    container_id        varchar(64),
    occupied_slots      jsonb NOT NULL,
    requested_slots     jsonb NOT NULL,
    occupied_shares     jsonb NOT NULL,
    environ             varchar[],
    mounts              varchar[],
    mount_map           jsonb,
    vfolder_mounts      jsonb,
    attached_devices    jsonb,
    resource_opts       jsonb,
    bootstrap_script    varchar(16384),
    kernel_host         varchar(128),
    repl_in_port        integer NOT NULL,
    repl_out_port       integer NOT NULL,
    stdin_port          integer NOT NULL,
    stdout_port         integer NOT NULL,
    service_ports       jsonb,
    preopen_ports       integer[],
    use_host_network    boolean NOT NULL,
    created_at          timestamptz DEFAULT now(),
    terminated_at       timestamptz,
    starts_at           timestamptz,
    status              varchar(64) NOT NULL DEFAULT 'PENDING',
    status_changed      timestamptz,
    status_info         varchar,
    status_data         jsonb,
    status_history      jsonb,
    callback_url        text,
    startup_command     text,
    result              varchar(64) NOT NULL DEFAULT 'UNDEFINED',
    internal_data       jsonb,
    container_log       bytea,
    num_queries         bigint,
    last_stat           jsonb,
    last_seen           timestamptz,
    last_observed_at    timestamptz,
    CONSTRAINT pk_kernels PRIMARY KEY (id),
    CONSTRAINT fk_kernels_agent_agents FOREIGN KEY (agent) REFERENCES agents (id),
    CONSTRAINT fk_kernels_domain_name_domains FOREIGN KEY (domain_name) REFERENCES domains (name),
    CONSTRAINT fk_kernels_group_id_groups FOREIGN KEY (group_id) REFERENCES groups (id),
    CONSTRAINT fk_kernels_resource_group_id_scaling_groups
        FOREIGN KEY (resource_group_id) REFERENCES scaling_groups (id),
    CONSTRAINT fk_kernels_scaling_group_scaling_groups
        FOREIGN KEY (scaling_group) REFERENCES scaling_groups (name),
    CONSTRAINT fk_kernels_session_id_sessions FOREIGN KEY (session_id) REFERENCES sessions (id)
);

CREATE TABLE resource_allocations (
    kernel_id      uuid NOT NULL,
    slot_name      varchar(64) NOT NULL,
    requested      numeric(24,6) NOT NULL,
    prereserved    numeric(24,6) NOT NULL DEFAULT 0,
    reserved       numeric(24,6) NOT NULL DEFAULT 0,
    used           numeric(24,6),
    created_at     timestamptz NOT NULL DEFAULT now(),
    prereserved_at timestamptz,
    reserved_at    timestamptz,
    used_at        timestamptz,
    free_at        timestamptz,
    CONSTRAINT pk_resource_allocations PRIMARY KEY (kernel_id, slot_name),
    CONSTRAINT fk_resource_allocations_kernel_id_kernels FOREIGN KEY (kernel_id)
        REFERENCES kernels (id) ON DELETE CASCADE,
    CONSTRAINT fk_resource_allocations_slot_name_resource_slot_types
        FOREIGN KEY (slot_name) REFERENCES resource_slot_types (slot_name)
);

CREATE TABLE session_dependencies (
    session_id uuid NOT NULL,
    depends_on uuid NOT NULL,
    CONSTRAINT sess_dep_pk PRIMARY KEY (session_id, depends_on),
    CONSTRAINT fk_session_dependencies_session_id_sessions FOREIGN KEY (session_id)
        REFERENCES sessions (id) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT fk_session_dependencies_depends_on_sessions FOREIGN KEY (depends_on)
        REFERENCES sessions (id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX ix_session_dependencies_depends_on ON session_dependencies (depends_on);

CREATE TABLE session_scheduling_history (
    id          uuid NOT NULL DEFAULT uuid_generate_v4(),
    session_id  uuid NOT NULL,
    phase       varchar(64) NOT NULL,
    from_status varchar(64),
    to_status   varchar(64),
    result      varchar(32) NOT NULL,
    error_code  varchar(128),
    message     text NOT NULL,
    sub_steps   jsonb NOT NULL DEFAULT '[]',
    attempts    integer NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT pk_session_scheduling_history PRIMARY KEY (id)
);

-- Fair share: kept by a Manager, read by a fair-share sequencer -----------------------------------

CREATE TABLE user_fair_shares (
    id                  uuid NOT NULL DEFAULT uuid_generate_v4(),
    resource_group      varchar(64) NOT NULL,
    resource_group_id   uuid NOT NULL,
    user_uuid           uuid NOT NULL,
    project_id          uuid NOT NULL,
    domain_name         varchar(64) NOT NULL,
    weight              numeric(10,4),
    fair_share_factor   numeric(8,6) NOT NULL,
    scheduling_rank     integer,
    total_decayed_usage jsonb NOT NULL,
    resource_weights    jsonb NOT NULL,
    normalized_usage    numeric(8,6) NOT NULL,
    half_life_days      integer NOT NULL,
    lookback_days       integer NOT NULL,
    decay_unit_days     integer NOT NULL,
    last_calculated_at  timestamptz NOT NULL DEFAULT now(),
    lookback_start      date NOT NULL DEFAULT CURRENT_DATE,
    lookback_end        date NOT NULL DEFAULT CURRENT_DATE,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_user_fair_shares PRIMARY KEY (id),
    CONSTRAINT uq_user_fair_share_rg_id UNIQUE (resource_group_id, user_uuid, project_id)
);
CREATE INDEX ix_user_fair_share_lookup ON user_fair_shares (resource_group, user_uuid, project_id);
CREATE INDEX ix_user_fair_shares_domain_name ON user_fair_shares (domain_name);
CREATE INDEX ix_user_fair_shares_project_id ON user_fair_shares (project_id);
CREATE INDEX ix_user_fair_shares_resource_group ON user_fair_shares (resource_group);
CREATE INDEX ix_user_fair_shares_user_uuid ON user_fair_shares (user_uuid);

CREATE TABLE project_fair_shares (
    id                  uuid NOT NULL DEFAULT uuid_generate_v4(),
    resource_group      varchar(64) NOT NULL,
    resource_group_id   uuid NOT NULL,
    project_id          uuid NOT NULL,
    domain_name         varchar(64) NOT NULL,
    weight              numeric(10,4),
    fair_share_factor   numeric(8,6) NOT NULL,
    total_decayed_usage jsonb NOT NULL,
    resource_weights    jsonb NOT NULL,
    normalized_usage    numeric(8,6) NOT NULL,
    half_life_days      integer NOT NULL,
    lookback_days       integer NOT NULL,
    decay_unit_days     integer NOT NULL,
    last_calculated_at  timestamptz NOT NULL DEFAULT now(),
    lookback_start      date NOT NULL DEFAULT CURRENT_DATE,
    lookback_end        date NOT NULL DEFAULT CURRENT_DATE,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_project_fair_shares PRIMARY KEY (id),
    CONSTRAINT uq_project_fair_share_rg_id UNIQUE (resource_group_id, project_id)
);
CREATE INDEX ix_project_fair_share_lookup ON project_fair_shares (resource_group, project_id);
CREATE INDEX ix_project_fair_shares_domain_name ON project_fair_shares (domain_name);
CREATE INDEX ix_project_fair_shares_project_id ON project_fair_shares (project_id);
CREATE INDEX ix_project_fair_shares_resource_group ON project_fair_shares (resource_group);

CREATE TABLE domain_fair_shares (
    id                  uuid NOT NULL DEFAULT uuid_generate_v4(),
    resource_group      varchar(64) NOT NULL,
    resource_group_id   uuid NOT NULL,
    domain_name         varchar(64) NOT NULL,
    weight              numeric(10,4),
    fair_share_factor   numeric(8,6) NOT NULL,
    total_decayed_usage jsonb NOT NULL,
    resource_weights    jsonb NOT NULL,
    normalized_usage    numeric(8,6) NOT NULL,
    half_life_days      integer NOT NULL,
    lookback_days       integer NOT NULL,
    decay_unit_days     integer NOT NULL,
    last_calculated_at  timestamptz NOT NULL DEFAULT now(),
    lookback_start      date NOT NULL DEFAULT CURRENT_DATE,
    lookback_end        date NOT NULL DEFAULT CURRENT_DATE,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_domain_fair_shares PRIMARY KEY (id),
    CONSTRAINT uq_domain_fair_share_rg_id UNIQUE (resource_group_id, domain_name)
);
CREATE INDEX ix_domain_fair_share_lookup ON domain_fair_shares (resource_group, domain_name);
CREATE INDEX ix_domain_fair_shares_domain_name ON domain_fair_shares (domain_name);
CREATE INDEX ix_domain_fair_shares_resource_group ON domain_fair_shares (resource_group);

CREATE TABLE kernel_usage_records (
    id                uuid NOT NULL DEFAULT uuid_generate_v4(),
    kernel_id         uuid NOT NULL,
    session_id        uuid NOT NULL,
    user_uuid         uuid NOT NULL,
    project_id        uuid NOT NULL,
    domain_name       varchar(64) NOT NULL,
    resource_group    varchar(64) NOT NULL,
    resource_group_id uuid NOT NULL,
    period_start      timestamptz NOT NULL,
    period_end        timestamptz NOT NULL,
    resource_usage    jsonb NOT NULL,
    CONSTRAINT pk_kernel_usage_records PRIMARY KEY (id)
);
CREATE INDEX ix_kernel_usage_records_domain_name ON kernel_usage_records (domain_name);
CREATE INDEX ix_kernel_usage_records_kernel_id ON kernel_usage_records (kernel_id);
CREATE INDEX ix_kernel_usage_records_project_id ON kernel_usage_records (project_id);
CREATE INDEX ix_kernel_usage_records_resource_group ON kernel_usage_records (resource_group);
CREATE INDEX ix_kernel_usage_records_user_uuid ON kernel_usage_records (user_uuid);
CREATE INDEX ix_kernel_usage_rg_id_period ON kernel_usage_records (resource_group_id, period_start);
CREATE INDEX ix_kernel_usage_rg_period ON kernel_usage_records (resource_group, period_start);
CREATE INDEX ix_kernel_usage_user_period ON kernel_usage_records (user_uuid, period_start);

CREATE TABLE user_usage_buckets (
    id                uuid NOT NULL DEFAULT uuid_generate_v4(),
    user_uuid         uuid NOT NULL,
    project_id        uuid NOT NULL,
    domain_name       varchar(64) NOT NULL,
    resource_group    varchar(64) NOT NULL,
    resource_group_id uuid NOT NULL,
    period_start      date NOT NULL,
    period_end        date NOT NULL,
    decay_unit_days   integer NOT NULL,
    resource_usage    jsonb NOT NULL,
    capacity_snapshot jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_user_usage_buckets PRIMARY KEY (id),
    CONSTRAINT uq_user_usage_bucket_rg_id
        UNIQUE (user_uuid, project_id, resource_group_id, period_start)
);
CREATE INDEX ix_user_usage_bucket_lookup
    ON user_usage_buckets (user_uuid, project_id, resource_group, period_start);
CREATE INDEX ix_user_usage_buckets_domain_name ON user_usage_buckets (domain_name);
CREATE INDEX ix_user_usage_buckets_project_id ON user_usage_buckets (project_id);
CREATE INDEX ix_user_usage_buckets_user_uuid ON user_usage_buckets (user_uuid);

CREATE TABLE project_usage_buckets (
    id                uuid NOT NULL DEFAULT uuid_generate_v4(),
    project_id        uuid NOT NULL,
    domain_name       varchar(64) NOT NULL,
    resource_group    varchar(64) NOT NULL,
    resource_group_id uuid NOT NULL,
    period_start      date NOT NULL,
    period_end        date NOT NULL,
    decay_unit_days   integer NOT NULL,
    resource_usage    jsonb NOT NULL,
    capacity_snapshot jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_project_usage_buckets PRIMARY KEY (id),
    CONSTRAINT uq_project_usage_bucket_rg_id
        UNIQUE (project_id, resource_group_id, period_start)
);
CREATE INDEX ix_project_usage_bucket_lookup
    ON project_usage_buckets (project_id, resource_group, period_start);
CREATE INDEX ix_project_usage_buckets_domain_name ON project_usage_buckets (domain_name);
CREATE INDEX ix_project_usage_buckets_project_id ON project_usage_buckets (project_id);

CREATE TABLE domain_usage_buckets (
    id                uuid NOT NULL DEFAULT uuid_generate_v4(),
    domain_name       varchar(64) NOT NULL,
    resource_group    varchar(64) NOT NULL,
    resource_group_id uuid NOT NULL,
    period_start      date NOT NULL,
    period_end        date NOT NULL,
    decay_unit_days   integer NOT NULL,
    resource_usage    jsonb NOT NULL,
    capacity_snapshot jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_domain_usage_buckets PRIMARY KEY (id),
    CONSTRAINT uq_domain_usage_bucket_rg_id
        UNIQUE (domain_name, resource_group_id, period_start)
);
CREATE INDEX ix_domain_usage_bucket_lookup
    ON domain_usage_buckets (domain_name, resource_group, period_start);
CREATE INDEX ix_domain_usage_buckets_domain_name ON domain_usage_buckets (domain_name);

CREATE TABLE usage_bucket_entries (
    bucket_id      uuid NOT NULL,
    bucket_type    varchar(16) NOT NULL,
    slot_name      varchar(64) NOT NULL,
    resource_usage numeric NOT NULL,
    capacity       numeric(24,6) NOT NULL,
    CONSTRAINT pk_usage_bucket_entries PRIMARY KEY (bucket_id, slot_name)
);
CREATE INDEX ix_usage_bucket_entries_bucket_type ON usage_bucket_entries (bucket_type);
CREATE INDEX ix_usage_bucket_entries_slot ON usage_bucket_entries (slot_name);
