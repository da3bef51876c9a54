// What a user of the server may do: three roles, each of which may do all that the one before may.

/** `viewer` reads; `operator` also captures, stops and cancels, his own and others'; `admin` also deletes jobs and keeps the users. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Whether someone with the role `has` may do what needs at least the role `least`. */
export function mayAct(has: Role, least: Role): boolean {
  return ROLES.indexOf(has) >= ROLES.indexOf(least);
}
