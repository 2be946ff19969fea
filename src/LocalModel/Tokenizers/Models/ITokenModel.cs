using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>Turns a piece of text into tokens.</summary>
internal interface ITokenModel
{
    /// <summary>The tokens and their ids.</summary>
    Vocabulary Vocabulary { get; }

    /// <summary>The id whose tokens are shown as the text they stand for, not as the vocabulary spells them; -1 when there is none.</summary>
    int SurfaceId => -1;

    /// <summary>Appends the tokens of a piece; their places count from the start of the piece.</summary>
    void Tokenize(ReadOnlySpan<char> piece, TokenSink sink);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
