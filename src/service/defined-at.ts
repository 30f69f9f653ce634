/** Where endpoints were defined, `file:line:column`, for messages about them. */
export const definedAt: WeakMap<object, string | undefined> = new WeakMap();
