using Microsoft.Win32.SafeHandles;

namespace Kotonoha.Cli.Output;

/// <summary>Standard output as a stream that says when its reader has left.</summary>
internal static class StandardOutput
{
    private const int Descriptor = 1;

    /// <summary>
    /// Opens it. The console's own stream swallows the error of a closed pipe, so a pipe is written as a file is; a real file stays with the console's,
    /// which moves the place that other programs go on writing at.
    /// </summary>
    public static Stream Open()
    {
        if (OperatingSystem.IsWindows())
            return Console.OpenStandardOutput();
        var stream = new FileStream(new SafeFileHandle(Descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        if (!stream.CanSeek)
            return stream;
        stream.Dispose();
        return Console.OpenStandardOutput();
    }
}
