// What keeps the audit log from being changed by whoever can write to the database: triggers, in the words of each engine.
const messages = {
  changed: 'entries of the audit log are never changed',
  deleted: 'entries of the audit log are never deleted',
  movedBack: 'the audit log never gets shorter',
  headDeleted: 'the end of the audit log is never deleted',
};

export const auditGuards = {
  sqlite: `
    create trigger if not exists audit_changed before update on audit
      begin select raise(abort, '${messages.changed}'); end;
    create trigger if not exists audit_deleted before delete on audit
      begin select raise(abort, '${messages.deleted}'); end;
    create trigger if not exists audit_moved_back before update on audit_head when new.sequence < old.sequence
      begin select raise(abort, '${messages.movedBack}'); end;
    create trigger if not exists audit_head_deleted before delete on audit_head
      begin select raise(abort, '${messages.headDeleted}'); end;`,
  postgres: `
    create function audit_refuse() returns trigger language plpgsql as
      $$ begin raise exception '%', tg_argv[0] using errcode = 'restrict_violation'; end $$;
    create trigger audit_changed before update on audit
      for each row execute function audit_refuse('${messages.changed}');
    create trigger audit_deleted before delete on audit
      for each row execute function audit_refuse('${messages.deleted}');
    create trigger audit_emptied before truncate on audit
      for each statement execute function audit_refuse('${messages.deleted}');
    create trigger audit_moved_back before update on audit_head
      for each row when (new.sequence < old.sequence) execute function audit_refuse('${messages.movedBack}');
    create trigger audit_head_deleted before delete on audit_head
      for each row execute function audit_refuse('${messages.headDeleted}');
    create trigger audit_head_emptied before truncate on audit_head
      for each statement execute function audit_refuse('${messages.headDeleted}');`,
};
