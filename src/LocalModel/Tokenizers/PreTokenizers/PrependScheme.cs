namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Where Metaspace puts its character although there is no blank.</summary>
internal enum PrependScheme
{
    /// <summary>Before every piece.</summary>
    Always,

    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>Before the piece that begins the text.</summary>
    First,
}
