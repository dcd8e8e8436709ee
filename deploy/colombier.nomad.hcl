# Three replicas, one a site. Each client has `meta { site = "…" garage = "http://…:3900" }` and `host_network "sites"` in its
# configuration; the secrets are Nomad variables, written to files that only the task reads. See nomad.md.

variable "image" {
  type    = string
  default = "registry.example.org/colombier:0.1.0"
}

variable "buckets" {
  type    = string
  default = "mail-one,mail-two,mail-three"
}

variable "domain" {
  type    = string
  default = "mail.example.org"
}

job "colombier" {
  type = "service"

  group "replica" {
    count = 3

    constraint {
      distinct_property = "${meta.site}"
    }

    # One replica down at a time, the next when this one is ready.
    update {
      max_parallel      = 1
      health_check      = "checks"
      min_healthy_time  = "15s"
      healthy_deadline  = "5m"
      progress_deadline = "15m"
      auto_revert       = true
    }

    migrate {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "15s"
    }

    restart {
      attempts = 10
      interval = "10m"
      delay    = "2s"
      mode     = "delay"
    }

    network {
      mode = "bridge"
      port "smtp" {
        static = 25
        to     = 1025
      }
      port "imap" {
        static = 143
        to     = 1143
      }
      port "imaps" {
        static = 993
        to     = 1993
      }
      port "submission" {
        static = 587
        to     = 1587
      }
      port "submissions" {
        static = 465
        to     = 1465
      }
      # Inside the network between the sites only; NOMAD_HOST_ADDR_peer is an address there.
      port "peer" {
        static       = 1081
        to           = 1081
        host_network = "sites"
      }
      port "http" {
        static       = 1080
        to           = 1080
        host_network = "sites"
      }
    }

    service {
      name     = "colombier"
      provider = "nomad"
      port     = "http"

      # May it be given clients? Decides when an update goes on.
      check {
        name     = "ready"
        type     = "http"
        path     = "/ready"
        interval = "10s"
        timeout  = "3s"
      }

      # Does it live? Only this one restarts it: without a quorum a restart would help nobody.
      check {
        name     = "alive"
        type     = "http"
        path     = "/health"
        interval = "10s"
        timeout  = "3s"
        check_restart {
          limit = 6
          grace = "60s"
        }
      }
    }

    task "colombier" {
      driver = "podman"

      # SIGTERM drains, ten seconds by default; SIGKILL comes well after that.
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image           = var.image
        readonly_rootfs = true
        cap_drop        = ["ALL"]
        security_opt    = ["no-new-privileges"]
        ports           = ["smtp", "imap", "imaps", "submission", "submissions", "peer", "http"]
        tmpfs           = ["/tmp"]
      }

      env {
        COLOMBIER_STORE               = "s3:${var.buckets}"
        COLOMBIER_S3_ENDPOINT         = "${meta.garage}"
        COLOMBIER_S3_REGION           = "garage"
        COLOMBIER_S3_ACCESS_KEY_FILE  = "/secrets/s3-access-key"
        COLOMBIER_S3_SECRET_KEY_FILE  = "/secrets/s3-secret-key"
        COLOMBIER_CLUSTER_SECRET_FILE = "/secrets/cluster-secret"
        COLOMBIER_TLS_CERT            = "/secrets/tls-cert.pem"
        COLOMBIER_TLS_KEY             = "/secrets/tls-key.pem"
        COLOMBIER_HOSTNAME            = "${meta.site}.${var.domain}"
        COLOMBIER_PEER_ADDRESS        = "${NOMAD_HOST_ADDR_peer}"
        COLOMBIER_DRAIN_SECONDS       = "10"
      }

      # None restarts the task: a changed variable reaches all replicas within seconds, and all would be away at once. The
      # certificate is read again by itself; for the others see nomad.md.
      template {
        destination = "secrets/cluster-secret"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
        change_mode = "noop"
        data        = "{{ with nomadVar \"nomad/jobs/colombier\" }}{{ .cluster_secret }}{{ end }}"
      }

      template {
        destination = "secrets/s3-access-key"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
        change_mode = "noop"
        data        = "{{ with nomadVar \"nomad/jobs/colombier\" }}{{ .s3_access_key }}{{ end }}"
      }

      template {
        destination = "secrets/s3-secret-key"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
        change_mode = "noop"
        data        = "{{ with nomadVar \"nomad/jobs/colombier\" }}{{ .s3_secret_key }}{{ end }}"
      }

      template {
        destination = "secrets/tls-cert.pem"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
        change_mode = "noop"
        data        = "{{ with nomadVar \"nomad/jobs/colombier\" }}{{ .tls_cert }}{{ end }}"
      }

      template {
        destination = "secrets/tls-key.pem"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
        change_mode = "noop"
        data        = "{{ with nomadVar \"nomad/jobs/colombier\" }}{{ .tls_key }}{{ end }}"
      }

      resources {
        cpu        = 300
        memory     = 300
        memory_max = 600
      }
    }
  }
}
