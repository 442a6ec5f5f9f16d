// The counter's camera, where the browser can read codes; elsewhere the field alone stays.
"use strict";
{
    const [form, field, button, video, refused] = ["form", "code", "scan", "video", "refused"].map((name) =>
        document.getElementById(`counter-${name}`),
    );
    let stream = null;

    const stop = () => {
        stream?.getTracks().forEach((track) => track.stop());
        stream = null;
        video.hidden = true;
    };
    const look = async (detector) => {
        if (!stream) return;
        const found = await detector.detect(video).catch(() => []);
        if (found.length) {
            stop();
            field.value = found[0].rawValue;
            form.requestSubmit();
        } else {
            setTimeout(() => look(detector), 150);
        }
    };
    const scan = async () => {
        if (stream) return stop();
        try {
            const detector = new BarcodeDetector();
            stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
            video.srcObject = stream;
            video.hidden = false;
            await video.play();
            look(detector);
        } catch {
            stop();
            refused.hidden = false;
        }
    };

    if ("BarcodeDetector" in window && navigator.mediaDevices) {
        button.hidden = false;
        button.addEventListener("click", scan);
    }
    addEventListener("pagehide", stop);
    field.select();
}
