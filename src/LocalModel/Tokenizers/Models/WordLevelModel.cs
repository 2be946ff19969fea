using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>Whole words as tokens; any other word is the unknown token.</summary>
internal sealed class WordLevelModel : ITokenModel
{
    private readonly int unknownId;

    public WordLevelModel(Vocabulary vocabulary, string unknownToken)
    {
        (Vocabulary, UnknownToken) = (vocabulary, unknownToken);
        unknownId = vocabulary.TryGetId(unknownToken, out int id) ? id : -1;
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    public string UnknownToken { get; }

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (!Vocabulary.TryGetId(piece, out int id))
            id = unknownId >= 0 ? unknownId : throw new TokenizerException(
                $"The word '{(piece.Length <= 40 ? piece.ToString() : piece[..40].ToString() + "…")}' is unknown, and the vocabulary lacks unk_token '{UnknownToken}'. Add it to the vocabulary.");
        sink.Add(id, 0, piece.Length);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "WordLevel"u8);
        Vocabulary.Write(writer);
        writer.WriteString("unk_token"u8, UnknownToken);
        writer.WriteEndObject();
    }
}
