// How what looks at documents says what is wrong with them: whoever reads the file knows its lines and columns.

/** Files a finding at a path of the document. */
export type Report = (
  path: readonly (string | number)[],
  words: { message: string; expected?: string; nearest?: string },
) => void;
