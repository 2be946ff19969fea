using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts text into the pieces that the model handles one by one.</summary>
internal interface IPreTokenizer
{
    /// <summary>Whether it has to know where in the original text a piece begins.</summary>
    bool NeedsOrigins => false;

    /// <summary>Cuts (and possibly respells) every piece of the buffer.</summary>
    void PreTokenize(PieceBuffer buffer);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
