namespace Kotonoha.Rag.Answering;

/// <summary>A term of a question.</summary>
/// <param name="Term">As the analyzer gives it.</param>
/// <param name="Key">What it is compared by: the stem of an English word, else the term.</param>
/// <param name="Weight">How much content such a term carries, whatever its rarity: kana less than kanji.</param>
internal sealed record QuestionTerm(string Term, string Key, double Weight);
