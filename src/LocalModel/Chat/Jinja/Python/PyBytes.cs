namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Python bytes, as <c>str.encode</c> gives them.</summary>
internal sealed class PyBytes(byte[] value)
{
    public byte[] Value => value;
}
