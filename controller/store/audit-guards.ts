// What keeps the audit log from being changed by whoever can write to the database: triggers, in the words of each engine.

const messages = {
  changed: 'entries of the audit log are never changed',
  deleted: 'entries of the audit log are never deleted',
  movedBack: 'the audit log never gets shorter',
  headDeleted: 'the end of the audit log is never deleted',
};

interface Guards {
  /** Statements that put them up. */
  readonly up: readonly string[];
  /** Statements that take them down, in a transaction that puts them up again: only a copy of a whole store does that. */
  readonly down: readonly string[];
}

export const auditGuards: Record<'sqlite' | 'postgres', Guards> = {
  sqlite: {
    up: [
      `create trigger if not exists audit_changed before update on audit
        begin select raise(abort, '${messages.changed}'); end`,
      `create trigger if not exists audit_deleted before delete on audit
        begin select raise(abort, '${messages.deleted}'); end`,
      `create trigger if not exists audit_moved_back before update on audit_head when new.sequence < old.sequence
        begin select raise(abort, '${messages.movedBack}'); end`,
      `create trigger if not exists audit_head_deleted before delete on audit_head
        begin select raise(abort, '${messages.headDeleted}'); end`,
    ],
    down: ['audit_changed', 'audit_deleted', 'audit_moved_back', 'audit_head_deleted'].map(
      (name) => `drop trigger ${name}`,
    ),
  },
  postgres: {
    up: [
      `create or replace function audit_refuse() returns trigger language plpgsql as
        $$ begin raise exception '%', tg_argv[0] using errcode = 'restrict_violation'; end $$`,
      `create trigger audit_changed before update on audit
        for each row execute function audit_refuse('${messages.changed}')`,
      `create trigger audit_deleted before delete on audit
        for each row execute function audit_refuse('${messages.deleted}')`,
      `create trigger audit_emptied before truncate on audit
        for each statement execute function audit_refuse('${messages.deleted}')`,
      `create trigger audit_moved_back before update on audit_head
        for each row when (new.sequence < old.sequence) execute function audit_refuse('${messages.movedBack}')`,
      `create trigger audit_head_deleted before delete on audit_head
        for each row execute function audit_refuse('${messages.headDeleted}')`,
      `create trigger audit_head_emptied before truncate on audit_head
        for each statement execute function audit_refuse('${messages.headDeleted}')`,
    ],
    down: [
      ...['audit_changed', 'audit_deleted', 'audit_emptied'].map((name) => `drop trigger ${name} on audit`),
      ...['audit_moved_back', 'audit_head_deleted', 'audit_head_emptied'].map(
        (name) => `drop trigger ${name} on audit_head`,
      ),
    ],
  },
};
