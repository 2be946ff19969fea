namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>How a statement ends.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}
