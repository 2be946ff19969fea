using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>Works on finished sequences: trims offsets, adds special tokens.</summary>
internal interface IPostProcessor
{
    /// <summary>Changes the sequences (one or two, more when another has added tokens), which are then read one after the other.</summary>
    void Process(List<TokenSequence> sequences, bool addSpecialTokens);

    /// <summary>Whether the ids of one text come out of <see cref="Process"/> as they went in, so that it need not run for them.</summary>
    bool KeepsIds(bool addSpecialTokens);

    /// <summary>How many tokens are added to a text, or to a pair.</summary>
    int CountAdded(bool pair);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
