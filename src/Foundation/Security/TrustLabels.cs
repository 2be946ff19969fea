namespace Kotonoha.Foundation.Security;

/// <summary>
/// The names of the marks that contents and tools carry in their additional properties, so that guardrails know what a stranger wrote and
/// which tool only reads. They are shared by libraries that do not know each other.
/// </summary>
public static class TrustLabels
{
    /// <summary>
    /// Of a content or a tool: somebody outside wrote it. The value says where it comes from, for example a file's name.
    /// </summary>
    public const string Outside = "kotonoha.outside";

    /// <summary>Of a tool, with the value true: it only reads and sends nothing out, so it may be called in any conversation.</summary>
    public const string ReadOnly = "kotonoha.readOnly";
}
