// How much of a review is shown. Pure.

/** How much is shown; a comment that does not fit is made again with less. */
export interface Detail {
  /** Ranges of host names in one list. */
  readonly ranges: number;
  /** Rows of a table that nobody has to read whole. */
  readonly rows: number;
  /** Characters of one foreign sentence. */
  readonly characters: number;
}
