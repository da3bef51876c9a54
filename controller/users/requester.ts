// Whether somebody in whose name something runs by itself may still do that.
import type { Failure } from '../../proto/failure.js';
import type { Authenticator } from './users.js';

/**
 * Requesters are `alice@server`, or `root@host` for somebody who uses the store directly. A user who was revoked, has ended or reads only
 * has nothing run any more; a name that is no user's is of the second kind, since names of users are never free again.
 */
export function requesterRefusal(users: Authenticator & { list(): Promise<readonly { readonly name: string }[]> }) {
  return async (requester: string): Promise<Failure | undefined> => {
    const name = requester.slice(0, requester.lastIndexOf('@'));
    const isUser = (await users.list()).some((user) => user.name === name);
    if (!isUser) return undefined;
    const caller = await users.byCertificate(name);
    if ('code' in caller) return caller;
    if (caller.role !== 'viewer') return undefined;
    return { code: 'permission', message: `${name} is viewer, and has nothing run`, remedy: '' };
  };
}
