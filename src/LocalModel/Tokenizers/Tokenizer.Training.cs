using Kotonoha.LocalModel.Tokenizers.Decoders;
using Kotonoha.LocalModel.Tokenizers.Models;
using Kotonoha.LocalModel.Tokenizers.PostProcessors;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers;

/// <content>Making a tokenizer from texts.</content>
public sealed partial class Tokenizer
{
    /// <summary>Learns a byte-level BPE tokenizer, as GPT-2 has it: any text can be encoded and decodes to itself.</summary>
    /// <param name="texts">The texts, for example <see cref="TextCorpus.From"/>; words do not reach across two of them.</param>
    /// <param name="vocabularySize">The number of tokens, the 256 bytes and the special tokens included.</param>
    /// <param name="minFrequency">A pair that is rarer is not joined.</param>
    /// <param name="specialTokens">The control tokens, which get the first ids; <c>&lt;|endoftext|&gt;</c> when null.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; the same texts in any order give the same one.</returns>
    public static Tokenizer TrainByteLevelBpe(
        IEnumerable<string> texts, int vocabularySize, int minFrequency = 2, IReadOnlyList<string>? specialTokens = null, CancellationToken cancellationToken = default)
    {
        var options = new BpeTrainingOptions { VocabularySize = vocabularySize, MinFrequency = minFrequency };
        return TrainByteLevelBpe(texts, specialTokens is null ? options : options with { SpecialTokens = specialTokens }, cancellationToken);
    }

    /// <summary>Learns a byte-level BPE tokenizer, as GPT-2 has it: any text can be encoded and decodes to itself.</summary>
    /// <param name="texts">The texts; words do not reach across two of them.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; the same texts in any order give the same one.</returns>
    /// <exception cref="ArgumentException">A special token is empty or stands twice, or a number is out of range.</exception>
    public static Tokenizer TrainByteLevelBpe(IEnumerable<string> texts, BpeTrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.VocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MinFrequency);
        if (options.SpecialTokens.Any(string.IsNullOrEmpty) || options.SpecialTokens.Distinct(StringComparer.Ordinal).Count() != options.SpecialTokens.Count)
            throw new ArgumentException("A special token is empty or stands twice.", nameof(options));
        var byteLevel = new ByteLevelPreTokenizer(options.AddPrefixSpace, UseRegex: options.Pattern == WordPattern.Gpt2, TrimOffsets: true);
        IPreTokenizer preTokenizer = byteLevel;
        if (options.Pattern == WordPattern.Cl100k)
        {
            preTokenizer = new SequencePreTokenizer([new SplitPreTokenizer(Cl100kWordCutter.Llama3Pattern), byteLevel]);
        }

        var words = WordCounter.Count(texts, null, preTokenizer, cancellationToken);
        var (vocabulary, merges) = BpeTrainer.Train(words, options with { InitialAlphabet = ByteAlphabet.Characters }, cancellationToken);
        return new Tokenizer(new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new BpeModel(vocabulary, merges, new BpeModelOptions()),
            PostProcessor = new ByteLevelPostProcessor(AddPrefixSpace: true, TrimOffsets: false, UseRegex: true),
            Decoder = new ByteLevelDecoder(AddPrefixSpace: true, TrimOffsets: true, UseRegex: true),
            AddedTokens = [.. options.SpecialTokens.Select((token, id) => new AddedToken(id, token) { IsSpecial = true })],
        });
    }
}
