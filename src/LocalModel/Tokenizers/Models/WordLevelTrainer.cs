namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>
/// Makes a vocabulary of whole words: special tokens, then by falling count, words of equal count by code point (source: Hugging Face tokenizers'
/// WordLevelTrainer).
/// </summary>
internal static class WordLevelTrainer
{
    public static Vocabulary Train(IReadOnlyDictionary<string, long> wordCounts, WordLevelTrainingOptions options)
        => new(options.SpecialTokens
            .Concat(wordCounts.Where(w => w.Value >= options.MinFrequency).OrderByDescending(w => w.Value).ThenBy(w => w.Key, CodePointComparer.Instance).Select(w => w.Key))
            .Distinct(StringComparer.Ordinal)
            .Take(options.VocabularySize));
}
