using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Changes a section of text before it is cut into pieces.</summary>
internal interface INormalizer
{
    /// <summary>Changes the buffer's text; characters keep track of where they came from.</summary>
    void Normalize(PieceBuffer buffer);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
