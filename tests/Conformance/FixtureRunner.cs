namespace Kotonoha.Conformance;

/// <summary>Runs one kind of reference fixture. A runner finds its families by content (config files, case files), never by name.</summary>
internal abstract class FixtureRunner
{
    /// <summary>The families below a root that this runner knows: paths relative to the root with '/', files or folders.</summary>
    public abstract IEnumerable<string> Discover(string root);

    /// <summary>What the families read besides their own file: paths relative to the root that are no families themselves.</summary>
    public virtual IEnumerable<string> Materials(string root) => [];

    /// <summary>Runs one family and logs every case.</summary>
    public abstract void Run(string root, string family, CaseLog log);
}
