# The SMTP sink: takes every mail, sends none on.

mail_fetch() { :; }

mail_start() {
  spawn mail "$(venv_python)" "$repository/scripts/smtp-sink" --smtp-port "$(port mail)" \
    --http-port "$((stack_base + 51))" --data "$stack_dir/mail/mails.jsonl"
}

mail_ready() { http_answers "http://127.0.0.1:$((stack_base + 51))/livez"; }

mail_stop() { stop mail TERM 10; }
